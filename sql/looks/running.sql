-- What runs right now, for how long, and where.
select
  job.id,
  job.queue,
  job.worker,
  job.attempt,
  now() - job.attempted_at as runs_for,
  lease.node,
  job.meta ->> 'workflow_label' as workflow,
  job.meta ->> 'workflow_name' as step
from baton.jobs as job
left join baton.leases as lease on lease.id = job.attempted_by
where job.state = 'executing'
order by job.attempted_at
limit 100
