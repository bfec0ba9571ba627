-- Worker processes, what they serve, and how long ago they were heard of.
select
  id as lease,
  node,
  queues,
  started_at,
  now() - renewed_at as heard_ago,
  expires_at > now() as alive
from baton.leases
order by started_at
