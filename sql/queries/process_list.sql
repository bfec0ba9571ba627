-- The worker processes that hold a lease, the oldest first, and how many jobs each runs, in pages:
-- `after` is the last lease of the page before. Conditions of a filter stand where it is marked. Locks
-- nothing.
select
  process.id,
  process.node,
  process.queues::text,
  process.started_at,
  process.renewed_at,
  process.alive,
  process.executing
from (
  select
    lease.id,
    lease.node,
    lease.queues,
    lease.started_at,
    lease.renewed_at,
    lease.expires_at > clock_timestamp() as alive,
    (
      select count(*) from baton.jobs as job
      where job.state = 'executing' and job.attempted_by = lease.id
    ) as executing
  from baton.leases as lease
) as process
where process.id > coalesce(%(after)s::bigint, 0)
  /* filter */
order by process.id
limit %(limit)s::bigint
