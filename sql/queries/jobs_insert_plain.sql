-- Inserts jobs of which none is unique, and tells each of their queues once, and the stagers when one
-- is due sooner than they look by themselves. Locks nothing. The time is the clock's, not that of the
-- transaction.
--
-- What jobs have beside their arguments is written once for all that have it in common: job number n
-- has args[n], and of everything else the element shapes[n]. Nothing here could be joined in another
-- way, whatever a planner thinks of the numbers; and what it could think is kept from it by a select
-- around each array, because a plan for just two or five jobs looks cheaper than that for any number, and
-- is made anew at every call: 470 us instead of 150. One row comes back: ids in the order of the arrays,
-- the time of the insert, and when the jobs are due, unless that is then for all.
with inserted as (
  insert into baton.jobs as fresh (
    state, queue, worker, args, meta, tags, priority, max_attempts, inserted_at, scheduled_at, timeout,
    deadline, weight, partition_key
  )
  select
    (case when due.at > due.present then 'scheduled' else 'available' end)::baton.job_state,
    due.queue,
    due.worker,
    given.args,
    due.meta,
    case
      when (%(tags)s::text[])[given.shape] = '[]' then '{}'
      else array(select jsonb_array_elements_text((%(tags)s::text[])[given.shape]::jsonb))
    end,
    (%(priority)s::smallint[])[given.shape],
    (%(max_attempts)s::smallint[])[given.shape],
    due.present,
    due.at,
    (%(timeout)s::double precision[])[given.shape],
    (%(deadline)s::timestamptz[])[given.shape],
    (%(weight)s::smallint[])[given.shape],
    case
      when due.divided then (
        select baton.partition_key(setting.partition_by, due.worker, given.args, due.meta)
        from baton.queues as setting
        where setting.name = due.queue
      )
    end
  from (
    select
      clock_timestamp() as present,
      exists (select from baton.queues as setting where setting.partition_by is not null) as divided
  ) as now
  cross join unnest((select %(args)s::jsonb[]), (select %(shapes)s::integer[]))
    with ordinality as given (args, shape, ordinal)
  cross join lateral (
    select
      now.present,
      now.divided,
      (%(queue)s::text[])[given.shape] as queue,
      (%(worker)s::text[])[given.shape] as worker,
      (%(meta)s::jsonb[])[given.shape] as meta,
      coalesce(
        (%(scheduled_at)s::timestamptz[])[given.shape],
        now.present + make_interval(secs => (%(delay)s::double precision[])[given.shape]),
        now.present
      ) as at
  ) as due
  order by given.ordinal
  returning fresh.id, fresh.state, fresh.queue, fresh.inserted_at, fresh.scheduled_at
),
told as (
  select count(baton.notify('baton.jobs', ready.queue)) as queues
  from (select distinct inserted.queue from inserted where inserted.state = 'available') as ready
),
warned as (
  select count(baton.notify('baton.control', 'due')) as words
  where exists (
    select from inserted
    where inserted.state = 'scheduled'
      and inserted.scheduled_at < inserted.inserted_at + interval '1.5 s'
  )
)
select
  array_agg(inserted.id order by inserted.id),
  min(inserted.inserted_at),
  case
    when bool_or(inserted.scheduled_at <> inserted.inserted_at)
      then array_agg(inserted.scheduled_at order by inserted.id)
  end,
  (select told.queues from told) + (select warned.words from warned)
from inserted
