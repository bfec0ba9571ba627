-- The newest jobs that fit, in pages: `before` is the last id of the page before. Walks the primary
-- key backwards, so a page costs what it shows unless the filter fits few jobs; the conditions of the
-- filter stand where it is marked, and the states among them are literal, so that partial indexes
-- serve those that few jobs are in. `coalesce` lets a page begin at its place whether or not the plan
-- knows the parameters. Locks nothing.
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
  and (%(ids)s::bigint[] is null or job.id = any (%(ids)s::bigint[]))
  /* filter */
order by job.id desc
limit %(limit)s
