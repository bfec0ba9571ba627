-- Renews a lease; no row means that it was declared dead. Nothing is lost when a crash of the server
-- undoes it, so the commit does not wait for the disk.
with quick as (select set_config('synchronous_commit', 'off', true))
update baton.leases as lease
set
  renewed_at = clock_timestamp(),
  expires_at = clock_timestamp() + make_interval(secs => %(ttl)s),
  queues = coalesce(%(queues)s::text::jsonb, lease.queues)
from quick
where lease.id = %(lease)s
returning lease.id
