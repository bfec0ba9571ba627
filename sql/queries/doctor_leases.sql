-- Jobs that execute for processes which have not been heard of for `seconds` after the end of their
-- leases, or whose leases are gone; and how many processes are alive. Reads the jobs that execute,
-- through their index. Locks nothing.
select
  coalesce(lease.node, 'unknown'),
  job.attempted_by,
  count(*),
  min(job.id),
  extract(
    epoch from now() - baton.readable_time(coalesce(lease.expires_at, max(job.attempted_at)))
  )::double precision,
  (select count(*) from baton.leases as other where other.expires_at > now())
from baton.jobs as job
left join baton.leases as lease on lease.id = job.attempted_by
where job.state = 'executing'
group by job.attempted_by, lease.node, lease.expires_at
having coalesce(coalesce(lease.expires_at, max(job.attempted_at)), '-infinity')
  < now() - make_interval(secs => %(seconds)s::double precision)
order by count(*) desc
limit 20
