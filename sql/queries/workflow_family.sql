-- A workflow and the sub-workflows that its steps are, and so on down to `depth`, outer ones first; the
-- last column is the job of the step. Locks nothing.
with recursive family as (
  select workflow.id, null::bigint as holder_id, 0 as depth
  from baton.workflows as workflow
  where workflow.id = %(id)s
  union all
  select step.subworkflow_id, step.job_id, family.depth + 1
  from family
  join baton.workflow_steps as step on step.workflow_id = family.id
  where step.subworkflow_id is not null and family.depth < %(depth)s
)
select
  workflow.id,
  workflow.name,
  workflow.state::text,
  workflow.inserted_at,
  workflow.finished_at,
  family.holder_id
from family
join baton.workflows as workflow on workflow.id = family.id
order by family.depth, family.holder_id
