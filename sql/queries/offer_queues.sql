-- Names of queues, for a shell: those that something was said about, that are served, or in which jobs
-- wait. Locks nothing.
select known.name
from (
  select name from baton.queues
  union select jsonb_object_keys(lease.queues) from baton.leases as lease
  union select queue from baton.waiting_queues() as waiting (queue)
) as known
order by known.name
limit %(most)s
