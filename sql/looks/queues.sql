-- How many jobs of each queue wait or run, and since when the oldest could have run.
select
  queue,
  count(*) filter (where state = 'executing') as executing,
  count(*) filter (where state = 'available') as available,
  count(*) filter (where state = 'retryable') as retryable,
  count(*) filter (where state = 'scheduled') as scheduled,
  now() - min(scheduled_at) filter (where state = 'available') as oldest_waits
from baton.jobs
where state in ('executing', 'available', 'retryable', 'scheduled')
group by queue
order by available desc, queue
