-- Inserts workflows whole, in one statement; sql/routines/insert_workflows.sql says how and what it locks.
select placed.inserted, placed.ids, placed.present, placed.due
from baton.insert_workflows(
  %(flows)s::json,
  %(shapes)s::json,
  %(step_flows)s::integer[],
  %(step_shapes)s::integer[],
  %(step_names)s::text[],
  %(step_args)s::text[],
  %(edge_parents)s::integer[],
  %(edge_children)s::integer[]
) as placed
