-- The jobs of the steps of a workflow, in topological order but for grafts; `after` is the last id of
-- the page before. Pruned jobs are not there any more. Locks nothing.
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
from baton.workflow_steps as step
join baton.jobs as job on job.id = step.job_id
where step.workflow_id = %(id)s
  and step.job_id > %(after)s::bigint
  and job.id > %(after)s::bigint  -- it follows, but the planner does not know
order by step.job_id
limit %(limit)s
