-- One workflow with how many of its steps are in each state. Locks nothing.
select
  workflow.id,
  workflow.name,
  workflow.state::text,
  workflow.inserted_at,
  workflow.finished_at,
  (
    select json_object_agg(counted.state, counted.steps)
    from (
      select node.state, count(*) as steps
      from baton.workflow_nodes as node
      where node.workflow_id = workflow.id
      group by node.state
    ) as counted
  ) as counts
from baton.workflows as workflow
where workflow.id = %(id)s
