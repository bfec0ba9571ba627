-- Takes a lease. Committed before the process claims anything under it.
insert into baton.leases (node, queues, guarded, process, expires_at)
values (
  %(node)s,
  %(queues)s::jsonb,
  %(guarded)s,
  %(process)s::text,
  clock_timestamp() + make_interval(secs => %(ttl)s)
)
returning id
