-- The jobs of the workflow that executes under a unique key, in topological order. Locks nothing.
select
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
from baton.workflows as workflow
join baton.workflow_steps as step on step.workflow_id = workflow.id
join baton.jobs as job on job.id = step.job_id
where workflow.unique_key = %(key)s
order by job.id
