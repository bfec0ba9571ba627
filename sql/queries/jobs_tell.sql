-- Tells queues, once each, that something in them can start, and the stagers that something is due
-- soon. Locks nothing.
select count(baton.notify(told.channel, told.payload))
from (
  select 'baton.jobs' as channel, given.queue as payload
  from unnest(%(queues)s::text[]) as given (queue)
  union all
  select 'baton.control', 'due' where %(soon)s::boolean
) as told
