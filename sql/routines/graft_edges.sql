-- Writes the dependencies of new steps, whose ids are at least `first`: on each other, on steps that were
-- there, on the step that returned them, or, of the first ones, on the step that their workflow is; and that of the dependents on them. Locks nothing.
create or replace function baton.graft_edges(
  plan jsonb, ids bigint[], first bigint, parent bigint, guard bigint, needed_names text[],
  needed bigint[], dependents bigint[]
) returns void
language sql
as $$
  insert into baton.workflow_edges (parent_id, child_id)
  select ids[(edge.value ->> 0)::integer], ids[(edge.value ->> 1)::integer]
  from jsonb_array_elements(plan -> 'edges') as edge (value)
  where ids[(edge.value ->> 1)::integer] >= first
  union all
  select found.id, ids[(need.value ->> 0)::integer]
  from jsonb_array_elements(plan -> 'needs') as need (value)
  join unnest(needed_names, needed) as found (name, id) on found.name = need.value ->> 1
  where ids[(need.value ->> 0)::integer] >= first
  union all
  select pair.parent_id, pair.child_id
  from jsonb_to_recordset(plan -> 'steps') as step (ordinal integer, inside uuid, deps text)
  cross join lateral (
    select parent as parent_id, ids[step.ordinal] as child_id where parent is not null
    union all
    select guard, ids[step.ordinal] where guard is not null and step.deps = '[]'
    union all
    select ids[step.ordinal], dependent.id from unnest(dependents) as dependent (id)
  ) as pair
  where step.inside is null and ids[step.ordinal] >= first
$$;
