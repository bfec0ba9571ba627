-- The jobs that have been running for longest, with the processes that run them. Reads the jobs that
-- execute, through their index; locks nothing.
select
  job.id,
  job.queue,
  job.worker,
  job.attempt,
  job.max_attempts,
  job.meta ->> 'workflow_label',
  job.meta ->> 'workflow_name',
  coalesce(lease.node, ''),
  extract(epoch from now() - job.attempted_at)::double precision
from baton.jobs as job
left join baton.leases as lease on lease.id = job.attempted_by
where job.state = 'executing'
order by job.attempted_at, job.id
limit %(most)s
