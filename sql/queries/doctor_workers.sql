-- How many jobs wait for each worker, through the partial indexes, and the cron entries that name it.
-- Reads each waiting job once; locks nothing.
with waiting as (
  select job.worker from baton.jobs as job
  where job.state = 'available' and job.partition_key is null
  union all
  select job.worker from baton.jobs as job
  where job.state = 'available' and job.partition_key is not null
  union all
  select job.worker from baton.jobs as job where job.state in ('scheduled', 'retryable')
),
counted as (
  select waiting.worker, count(*) as jobs from waiting group by waiting.worker
),
named as (
  select cron.worker, array_agg(cron.name order by cron.name) as entries
  from baton.crons as cron where cron.paused_at is null group by cron.worker
)
select
  coalesce(counted.worker, named.worker), coalesce(counted.jobs, 0), coalesce(named.entries, '{}')
from counted
full join named on named.worker = counted.worker
order by 2 desc, 1
