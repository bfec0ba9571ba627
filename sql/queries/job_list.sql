-- The newest jobs that fit the filters, in pages: `before` is the last id of the page before. Walks
-- the primary key backwards, so a page costs what it shows as long as the filters are not rare.
-- Locks nothing.
select
  job.id, job.state::text, job.queue, job.worker, job.args::text, job.meta::text,
  to_json(job.tags)::text, job.priority, job.attempt, job.max_attempts, job.errors::text, job.epoch,
  job.inserted_at, job.scheduled_at, job.attempted_at, job.completed_at, job.discarded_at,
  job.cancelled_at
from baton.jobs as job
where (%(before)s::bigint is null or job.id < %(before)s)
  and (%(state)s::text is null or job.state = %(state)s::text::baton.job_state)
  and (%(queue)s::text is null or job.queue = %(queue)s)
  and (%(worker)s::text is null or job.worker = %(worker)s)
order by job.id desc
limit %(limit)s
