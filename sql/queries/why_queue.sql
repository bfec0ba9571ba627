-- What decides whether a job can be started now, as JSON: what `QueueFacts` has. Of the jobs in front of
-- it at most `most` of each priority are counted, in the order in which next_jobs takes them. Locks
-- nothing.
with asked as (
  select job.*, clock_timestamp() as moment from baton.jobs as job where job.id = %(id)s
),
process as (
  select
    lease.node,
    baton.slots_in(lease.queues -> asked.queue) as slots,
    local.paused_at,
    local.paused_by,
    (
      select count(*) from baton.jobs as job
      where job.state = 'executing' and job.attempted_by = lease.id and job.queue = asked.queue
    ) as running
  from asked
  join baton.leases as lease
    on lease.expires_at > asked.moment and baton.slots_in(lease.queues -> asked.queue) > 0
  left join baton.queue_nodes as local on local.queue = asked.queue and local.node = lease.node
  left join baton.queues as setting on setting.name = asked.queue
  where coalesce(local.slots, setting.slots, 1) > 0
),
running as (
  select job.id
  from asked
  join baton.jobs as job
    on job.state = 'executing'
    and job.queue = asked.queue
    and (asked.partition_key is null or job.partition_key = asked.partition_key)
)
select json_build_object(
  'name', asked.queue,
  'paused_at', baton.readable_time(setting.paused_at),
  'paused_by', setting.paused_by,
  'stopped', coalesce(setting.slots = 0, false) and not exists (select from process),
  'processes', (select count(*) from process),
  'slots', (select coalesce(sum(process.slots), 0) from process where process.paused_at is null),
  'free', (
    select coalesce(sum(greatest(0, process.slots - process.running)), 0)
    from process where process.paused_at is null
  ),
  'paused_nodes', coalesce(
    (
      select json_agg(json_build_object('node', p.node, 'at', baton.readable_time(p.paused_at), 'by', p.paused_by))
      from (
        select distinct process.node, process.paused_at, process.paused_by
        from process where process.paused_at is not null
        order by process.paused_at, process.node
        limit 10
      ) as p
    ),
    '[]'
  ),
  'partition', asked.partition_key,
  'global_limit', setting.global_limit,
  'running_count', (select count(*) from running),
  'running', coalesce(
    (select json_agg(r.id) from (select running.id from running order by running.id limit 5) as r), '[]'
  ),
  'rate_limit', setting.rate_limit,
  'rate_period', setting.rate_period,
  'full', coalesce(room.jobs = 0 and room.wait is null, false),
  'room_in', room.wait,
  'ahead', ahead.jobs
)::text
from asked
left join baton.queues as setting on setting.name = asked.queue
left join lateral baton.queue_room(setting, asked.partition_key, asked.moment) as room
  on setting.global_limit is not null or setting.rate_limit is not null
left join lateral (
  select count(*) as jobs
  from (
    select
      case
        when setting.ageing is null then asked.priority
        else greatest(
          0, asked.priority - floor(extract(epoch from asked.moment - asked.scheduled_at) / setting.ageing)
        )
      end as urgency
  ) as own
  cross join unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as level (priority)
  cross join lateral (
    (
      select job.id, job.scheduled_at from baton.jobs as job
      where asked.partition_key is null
        and job.state = 'available'
        and job.queue = asked.queue
        and job.partition_key is null
        and job.priority = level.priority
      order by job.scheduled_at, job.id
      limit %(most)s
    )
    union all
    (
      select job.id, job.scheduled_at from baton.jobs as job
      where job.state = 'available'
        and job.queue = asked.queue
        and job.partition_key = asked.partition_key
        and job.priority = level.priority
      order by job.scheduled_at, job.id
      limit %(most)s
    )
  ) as other
  where (
    case
      when setting.ageing is null then level.priority
      else greatest(
        0, level.priority - floor(extract(epoch from asked.moment - other.scheduled_at) / setting.ageing)
      )
    end,
    other.scheduled_at,
    other.id
  ) < (own.urgency, asked.scheduled_at, asked.id)
) as ahead on asked.state = 'available'
