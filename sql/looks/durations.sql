-- How long the attempts of each worker took, among the 10,000 newest jobs.
select
  worker,
  count(*) as completed,
  percentile_cont(0.5) within group (order by completed_at - attempted_at) as median,
  percentile_cont(0.95) within group (order by completed_at - attempted_at) as p95,
  max(completed_at - attempted_at) as longest
from (select * from baton.jobs order by id desc limit 10000) as job
where state = 'completed'
group by worker
order by p95 desc
