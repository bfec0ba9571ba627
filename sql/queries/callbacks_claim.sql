-- Claims callbacks for a lease and deletes those that were called; sql/routines/claim_callbacks.sql
-- says more. Each comes with the job that was cancelled and with what that knows of its workflow; a job
-- that was deleted meanwhile is null.
select
  callback.id as callback_id,
  callback.kind,
  callback.reason,
  step.workflow_id,
  step.step_name,
  workflow.name as workflow_label,
  to_json(step.deps)::text as deps,
  workflow.context::text as context,
  (
    select json_object_agg(parent.step_name, parent.result)::text
    from baton.workflow_edges as edge
    join baton.workflow_steps as parent on parent.job_id = edge.parent_id
    where edge.child_id = callback.job_id and parent.result is not null
  ) as results,
  job.id,
  job.state::text,
  job.queue,
  job.worker,
  job.args::text,
  job.meta::text,
  to_json(job.tags)::text as tags,
  job.priority,
  job.attempt,
  job.max_attempts,
  job.errors::text,
  job.epoch,
  job.inserted_at,
  job.scheduled_at,
  job.attempted_at,
  job.completed_at,
  job.discarded_at,
  job.cancelled_at,
  job.timeout,
  job.deadline,
  job.weight
from baton.claim_callbacks(
  %(lease)s::bigint,
  %(workers)s::text[],
  %(most)s::integer,
  %(called)s::bigint[],
  %(in_hand)s::bigint[]
) as callback
left join baton.workflow_steps as step on step.job_id = callback.job_id
left join baton.workflows as workflow on workflow.id = step.workflow_id
left join baton.jobs as job on job.id = callback.job_id
order by callback.id
