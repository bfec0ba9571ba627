-- What ended within the last `seconds`, by queue and worker, among the newest `most` jobs and among as
-- many before the one that was started last, where jobs end when a backlog is worked off. So it costs
-- the same however many jobs there are, and says too little only where more of them end in that time.
-- Walks the primary key backwards; locks nothing.
with claimed as (
  select job.id from baton.jobs as job
  where job.state = 'executing'
  order by job.attempted_at desc
  limit 1
),
sample as (
  (select job.id from baton.jobs as job order by job.id desc limit %(most)s)
  union
  (
    select job.id from baton.jobs as job
    where job.id <= (select claimed.id from claimed)
    order by job.id desc
    limit %(most)s
  )
)
select
  job.queue,
  job.worker,
  count(*) filter (where job.state = 'completed'),
  count(*) filter (where job.state <> 'completed'),
  coalesce(
    percentile_cont(0.5) within group (order by ended.seconds) filter (where ended.seconds is not null), 0
  ),
  coalesce(
    percentile_cont(0.95) within group (order by ended.seconds) filter (where ended.seconds is not null), 0
  )
from sample
join baton.jobs as job on job.id = sample.id
cross join lateral (
  select
    case when job.state = 'completed'
      then extract(epoch from job.completed_at - job.attempted_at)::double precision
    end as seconds
) as ended
where coalesce(
    job.completed_at,
    job.discarded_at,
    job.cancelled_at,
    case when job.state = 'retryable' then job.attempted_at end
  ) > now() - make_interval(secs => %(seconds)s::double precision)
  and job.state in ('completed', 'discarded', 'cancelled', 'retryable')
group by job.queue, job.worker
order by job.queue, job.worker
