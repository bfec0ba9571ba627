-- Every queue that is known: from what was said about it, from the processes that serve it and from
-- the jobs that wait or run in it. Reads each waiting job once, through the partial indexes; locks
-- nothing. Suspended jobs are not counted: no index leads to them.
with counted as (
  select ready.queue, 'available' as state, count(*) as jobs
  from (
    select queue from baton.jobs where state = 'available' and partition_key is null
    union all
    select queue from baton.jobs where state = 'available' and partition_key is not null
  ) as ready
  group by ready.queue
  union all
  select queue, state::text, count(*)
  from baton.jobs where state in ('scheduled', 'retryable') group by queue, state
  union all
  select queue, 'executing', count(*) from baton.jobs where state = 'executing' group by queue
),
counts as (
  select queue, jsonb_object_agg(state, jobs) as states from counted group by queue
),
served as (
  select each.queue, count(*) as processes, sum(each.slots::integer) as slots
  from baton.leases as lease
  cross join jsonb_each_text(lease.queues) as each (queue, slots)
  where lease.expires_at > now() and each.slots::integer > 0
  group by each.queue
),
locally as (
  select queue, array_agg(node order by node) as nodes
  from baton.queue_nodes where paused_at is not null group by queue
),
known as (
  select name from baton.queues
  union select queue from baton.queue_nodes
  union select queue from served
  union select queue from counts
)
select
  known.name,
  coalesce(counts.states, '{}')::text,
  coalesce(served.processes, 0),
  coalesce(served.slots, 0),
  setting.slots,
  setting.paused_at,
  setting.paused_by,
  coalesce(locally.nodes, '{}'),
  setting.global_limit,
  setting.rate_limit,
  setting.rate_period,
  setting.partition_by,
  setting.ageing
from known
left join baton.queues as setting on setting.name = known.name
left join counts on counts.queue = known.name
left join served on served.queue = known.name
left join locally on locally.queue = known.name
order by known.name
