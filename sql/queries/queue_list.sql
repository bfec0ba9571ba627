-- Queues that are known, by name, in pages: `after` is the last one of the page before. They are known
-- from what was said about them, from the processes that serve them and from the jobs that wait or run
-- in them. Of those that wait in a queue at most `most` are counted, of those that are available and of
-- those that are not yet due each; `cut` has the states of which there are more. Conditions of a filter
-- stand where it is marked. Suspended jobs are not counted: no index leads to them. Locks nothing.
with running as (
  select job.queue, count(*) as jobs from baton.jobs as job where job.state = 'executing' group by job.queue
),
served as (
  select each.queue, count(*) as processes, sum(baton.slots_in(each.slots)) as slots
  from baton.leases as lease
  cross join jsonb_each(lease.queues) as each (queue, slots)
  where lease.expires_at > now() and baton.slots_in(each.slots) > 0
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
  union select queue from running
  union select queue from baton.waiting_queues() as waiting (queue)
)
select
  queue.name,
  jsonb_strip_nulls(jsonb_build_object(
    'available', nullif(queue.available, 0),
    'scheduled', nullif(queue.scheduled, 0),
    'retryable', nullif(queue.retryable, 0),
    'executing', nullif(queue.executing, 0)
  ))::text as counts,
  array_remove(
    array[
      case when queue.more_available then 'available' end,
      case when queue.more_due then 'scheduled' end,
      case when queue.more_due then 'retryable' end
    ],
    null
  ) as cut,
  queue.processes,
  queue.slots,
  queue.scaled_to,
  queue.paused_at,
  queue.paused_by,
  queue.paused_nodes,
  queue.global_limit,
  queue.rate_limit,
  queue.rate_period,
  queue.partition_by,
  queue.ageing
from (
  select
    known.name,
    least(now_ready.jobs, %(most)s::bigint) as available,
    coalesce(now_ready.jobs > %(most)s::bigint, false) as more_available,
    least(later.scheduled, %(most)s::bigint) as scheduled,
    least(later.retryable, %(most)s::bigint) as retryable,
    coalesce(later.scheduled + later.retryable > %(most)s::bigint, false) as more_due,
    coalesce(running.jobs, 0) as executing,
    coalesce(served.processes, 0) as processes,
    coalesce(served.slots, 0) as slots,
    setting.slots as scaled_to,
    coalesce(setting.slots = 0, false) as stopped,
    setting.paused_at,
    setting.paused_by,
    coalesce(locally.nodes, '{}') as paused_nodes,
    setting.paused_at is not null or locally.nodes is not null as pausing,
    setting.global_limit,
    setting.rate_limit,
    setting.rate_period,
    setting.partition_by,
    setting.ageing
  from known
  left join baton.queues as setting on setting.name = known.name
  left join running on running.queue = known.name
  left join served on served.queue = known.name
  left join locally on locally.queue = known.name
  cross join lateral (
    select count(*) as jobs
    from (
      (select from baton.jobs as job
       where job.state = 'available' and job.partition_key is null and job.queue = known.name
       limit %(most)s::bigint + 1)
      union all
      (select from baton.jobs as job
       where job.state = 'available' and job.partition_key is not null and job.queue = known.name
       limit %(most)s::bigint + 1)
    ) as waiting
  ) as now_ready
  cross join lateral (
    select
      count(*) filter (where waiting.state = 'scheduled') as scheduled,
      count(*) filter (where waiting.state = 'retryable') as retryable
    from (
      select job.state from baton.jobs as job
      where job.state in ('scheduled', 'retryable') and job.queue = known.name
      limit %(most)s::bigint + 1
    ) as waiting
  ) as later
) as queue
where queue.name > coalesce(%(after)s::text, '')
  /* filter */
order by queue.name
limit %(limit)s::bigint
