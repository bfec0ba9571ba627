-- One job. A time that no calendar of a program has, such as infinity, comes as one at its end.
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
  greatest('0001-01-02 00:00+00', least(job.scheduled_at, '9999-12-30 00:00+00')) as scheduled_at,
  job.attempted_at,
  job.completed_at,
  job.discarded_at,
  job.cancelled_at
from baton.jobs as job
where job.id = %(id)s
