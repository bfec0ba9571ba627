-- Inserts jobs and tells each of their queues once. Ids grow in the order of the arrays. Rows come
-- back in that order too. Locks nothing.
with given as (
  select *
  from unnest(
    %(queues)s::text[],
    %(workers)s::text[],
    %(args)s::text[],
    %(metas)s::text[],
    %(tags)s::text[],
    %(priorities)s::smallint[],
    %(max_attempts)s::smallint[],
    %(scheduled_ats)s::timestamptz[],
    %(delays)s::double precision[],
    %(timeouts)s::double precision[],
    %(deadlines)s::timestamptz[],
    %(weights)s::smallint[]
  ) with ordinality as given (
    queue, worker, args, meta, tags, priority, max_attempts, scheduled_at, delay,
    timeout, deadline, weight, ordinal
  )
),
inserted as (
  insert into baton.jobs (
    state, queue, worker, args, meta, tags, priority, max_attempts, scheduled_at, timeout, deadline,
    weight, partition_key
  )
  select
    case
      when due.at > now() then 'scheduled'::baton.job_state
      else 'available'::baton.job_state
    end,
    given.queue,
    given.worker,
    given.args::jsonb,
    given.meta::jsonb,
    array(select jsonb_array_elements_text(given.tags::jsonb)),
    given.priority,
    given.max_attempts,
    due.at,
    given.timeout,
    given.deadline,
    given.weight,
    baton.partition_key(setting.partition_by, given.worker, given.args::jsonb, given.meta::jsonb)
  from given
  left join baton.queues as setting on setting.name = given.queue
  cross join lateral (
    select coalesce(given.scheduled_at, now() + make_interval(secs => given.delay), now()) as at
  ) as due
  order by given.ordinal
  returning *
),
told as (
  select count(pg_notify('baton.jobs', ready.queue)) as queues
  from (select distinct queue from inserted where state = 'available') as ready
)
select
  inserted.id,
  inserted.state::text,
  inserted.queue,
  inserted.worker,
  inserted.args::text,
  inserted.meta::text,
  to_json(inserted.tags)::text as tags,
  inserted.priority,
  inserted.attempt,
  inserted.max_attempts,
  inserted.errors::text,
  inserted.epoch,
  inserted.inserted_at,
  inserted.scheduled_at,
  inserted.attempted_at,
  inserted.completed_at,
  inserted.discarded_at,
  inserted.cancelled_at,
  inserted.timeout,
  inserted.deadline,
  inserted.weight,
  told.queues as told
from inserted
cross join told
order by inserted.id
