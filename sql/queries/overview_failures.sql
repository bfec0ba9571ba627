-- The newest failures: jobs that were discarded, and those that will be tried again. Of each kind the
-- newest or those that are due last are looked at, through their indexes; locks nothing.
with failed as (
  (
    select job.id from baton.jobs as job
    where job.state in ('discarded', 'cancelled') and job.state = 'discarded'
    order by job.id desc
    limit 1000
  )
  union all
  (
    select job.id from baton.jobs as job
    where job.state in ('scheduled', 'retryable') and job.state = 'retryable'
    limit 1000
  )
)
select
  job.id,
  job.state::text,
  job.queue,
  job.worker,
  job.attempt,
  job.max_attempts,
  coalesce(job.errors -> -1 ->> 'kind', ''),
  coalesce(job.errors -> -1 ->> 'message', ''),
  coalesce(job.discarded_at, job.attempted_at, job.inserted_at) as at
from failed
join baton.jobs as job on job.id = failed.id
order by at desc, job.id desc
limit %(most)s
