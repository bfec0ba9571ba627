-- Inserts one job that is not unique, and tells its queue, or the stagers when it is due sooner than
-- they look by themselves. Locks nothing. The time is the clock's, not that of the transaction.
-- A statement of its own and not a call of baton.insert_jobs: that takes twice the server's time.
insert into baton.jobs (
  state, queue, worker, args, meta, tags, priority, max_attempts, inserted_at, scheduled_at, timeout,
  deadline, weight, partition_key
)
select
  (case when due.at > due.present then 'scheduled' else 'available' end)::baton.job_state,
  given.queue,
  given.worker,
  given.args,
  given.meta,
  %(tags)s::text[],
  %(priority)s::smallint,
  %(max_attempts)s::smallint,
  due.present,
  due.at,
  %(timeout)s::double precision,
  %(deadline)s::timestamptz,
  %(weight)s::smallint,
  (
    select baton.partition_key(setting.partition_by, given.worker, given.args, given.meta)
    from baton.queues as setting
    where setting.name = given.queue
  )
from (
  select
    %(queue)s::text as queue,
    %(worker)s::text as worker,
    %(args)s::jsonb as args,
    %(meta)s::jsonb as meta
) as given
cross join (
  select
    now.present,
    coalesce(
      %(scheduled_at)s::timestamptz,
      now.present + make_interval(secs => %(delay)s::double precision),
      now.present
    ) as at
  from (select clock_timestamp() as present) as now
) as due
returning
  id,
  inserted_at,
  scheduled_at,
  case
    when state = 'available' then baton.notify('baton.jobs', queue)
    when scheduled_at < inserted_at + interval '1.5 s' then baton.notify('baton.control', 'due')
  end
