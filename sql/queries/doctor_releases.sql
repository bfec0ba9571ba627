-- How many batches of ended steps have waited for longer than `seconds` for a look at their dependents,
-- and how long the oldest has. Locks nothing.
select
  count(*),
  extract(epoch from now() - min(batch.inserted_at))::double precision,
  (select count(*) from baton.leases as lease where lease.expires_at > now())
from baton.workflow_releases as batch
where batch.inserted_at < now() - make_interval(secs => %(seconds)s::double precision)
