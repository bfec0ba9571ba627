-- The workflows that a sub-workflow is a part of, from the inside out. Locks nothing.
with recursive around as (
  select holder.workflow_id as id
  from baton.workflows as workflow
  join baton.workflow_steps as holder on holder.job_id = workflow.parent_job_id
  where workflow.id = %(id)s
  union
  select holder.workflow_id
  from around
  join baton.workflows as workflow on workflow.id = around.id
  join baton.workflow_steps as holder on holder.job_id = workflow.parent_job_id
)
select around.id from around
