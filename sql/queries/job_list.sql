-- The newest jobs that fit, in pages: `before` is the last id of the page before. Walks the primary
-- key backwards, so a page costs what it shows unless the filters fit few jobs. Parameters of the
-- enum's own type let the partial indexes serve states that few jobs are in; `coalesce` lets a page
-- begin at its place whether or not the plan knows the parameters.
-- Locks nothing.
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
from baton.jobs as job
where job.id < coalesce(%(before)s::bigint, 9223372036854775807)
  and (%(state)s::baton.job_state is null or job.state = %(state)s::baton.job_state)
  and (%(queue)s::text is null or job.queue = %(queue)s::text)
  and (%(worker)s::text is null or job.worker = %(worker)s::text)
order by job.id desc
limit %(limit)s
