-- The last errors of the `most` newest jobs that were discarded, and of as many that will be tried again,
-- of those that fit: conditions of a filter stand where it is marked. Reads what the partial indexes
-- have; locks nothing.
with discarded as (
  select job.id, job.state, job.queue, job.worker, job.errors
  from baton.jobs as job
  where job.state in ('discarded', 'cancelled') and job.state = 'discarded'
    /* filter */
  order by job.id desc
  limit %(most)s::integer
),
retried as (
  select job.id, job.state, job.queue, job.worker, job.errors
  from baton.jobs as job
  where job.state in ('scheduled', 'retryable') and job.errors <> '[]'
    /* filter */
  limit %(most)s::integer
)
select
  failed.id,
  failed.state::text,
  failed.queue,
  failed.worker,
  failed.errors -> -1 ->> 'kind',
  left(failed.errors -> -1 ->> 'message', 1000),
  failed.errors -> -1 ->> 'at'
from (select * from discarded union all select * from retried) as failed
order by failed.id desc
