-- What there is to do for a worker process, in one look that writes nothing and locks nothing: each process
-- asks once a second, and does what it then knows of. Times are seconds from now, 0 or less when they are
-- past, null when there is nothing; whoever acts on one looks again, under locks of its own.
--   ready        which of `hungry` have jobs that may start and are not paused for this process; others of
--                `queues` are not asked for, since a look from the beginning of an index walks over every
--                job that was claimed lately
--   misplaced    whether one of them has jobs with a partition that it does not have, or without one
--   stage_in     the next job of `queues` is due
--   others_due   whether jobs of other queues are due; looked at only if `others` says so
--   passed       how many entries of indexes of jobs were read for all this: those of an insert that is not
--                committed, or of what was claimed while some old transaction is open, have to be walked over
--   time_in      the next wait, or the deadline of a workflow, is over
--   sweep_in     the oldest row of workflow_releases is `age` seconds old
--   rescue_in    a lease is dead, unless it is renewed: it ends, or it is guarded, its lock is free and the
--                last renewal is `silence` seconds ago; locks are looked at after `patience` seconds
--   near         leases of processes of the same `machine` whose lock is free, or that are silent; what they
--                call themselves is in `processes`, and the caller can see whether they are still there
--   rescued_ago  since somebody last looked for dead processes and the jobs that they left
--   leases, said, crons   change when leases come or go, and when something was said about queues or crons
--   budgets      whether attempts have ended that had reserved something of a budget
--   callbacks    whether workers of `workers` are owed some
-- The time is a variable, since an index is not searched for the result of a volatile function. Each probe
-- has the order of the index that it is to read.
create or replace function baton.look_around(
  lease bigint, queues text[], hungry text[], workers text[], others boolean,
  age double precision, silence double precision, patience double precision, machine text,
  out ready text[], out misplaced boolean, out stage_in double precision, out others_due boolean,
  out passed bigint,
  out time_in double precision, out sweep_in double precision, out rescue_in double precision,
  out near bigint[], out processes text[],
  out rescued_ago double precision, out leases text, out said text, out crons text,
  out callbacks boolean, out budgets boolean
)
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set enable_sort = off
as $$
declare
  present timestamptz := clock_timestamp();
  here text;
  probed regclass[] := array['baton.jobs_available', 'baton.jobs_partitions', 'baton.jobs_due'];
begin
  passed := -(
    select sum(pg_stat_get_xact_tuples_returned(probe.index)) from unnest(probed) as probe (index)
  );

  select held.node into here from baton.leases as held where held.id = lease;

  select
    coalesce(array_agg(served.queue) filter (
      where coalesce(plain.id, keyed.id) is not null
        and served.queue = any (hungry)
        and coalesce(setting.paused_at, local.paused_at) is null
    ), '{}'),
    bool_or(case when setting.partition_by is null then keyed.id else plain.id end is not null),
    extract(epoch from min(due.at) - present)
  into ready, misplaced, stage_in
  from unnest(queues) as served (queue)
  left join baton.queues as setting on setting.name = served.queue
  left join baton.queue_nodes as local on local.queue = served.queue and local.node = here
  left join lateral (
    select job.id from baton.jobs as job
    where job.state = 'available' and job.queue = served.queue and job.partition_key is null
      and (served.queue = any (hungry) or setting.partition_by is not null)
    order by job.priority, job.scheduled_at, job.id
    limit 1
  ) as plain on true
  left join lateral (
    select job.id from baton.jobs as job
    where job.state = 'available' and job.queue = served.queue and job.partition_key is not null
      and (served.queue = any (hungry) or setting.partition_by is null)
    order by job.partition_key, job.priority, job.scheduled_at, job.id
    limit 1
  ) as keyed on true
  left join lateral (
    select job.scheduled_at as at from baton.jobs as job
    where job.state in ('scheduled', 'retryable') and job.queue = served.queue
    order by job.scheduled_at, job.id
    limit 1
  ) as due on true;

  others_due := false;
  if others then
    with recursive waiting (queue, at) as (
      (
        select job.queue, job.scheduled_at from baton.jobs as job
        where job.state in ('scheduled', 'retryable')
        order by job.queue, job.scheduled_at, job.id
        limit 1
      )
      union all
      select further.queue, further.at
      from waiting
      cross join lateral (
        select job.queue, job.scheduled_at as at from baton.jobs as job
        where job.state in ('scheduled', 'retryable') and job.queue > waiting.queue
        order by job.queue, job.scheduled_at, job.id
        limit 1
      ) as further
    )
    select exists (
      select from waiting where waiting.at <= present and waiting.queue <> all (queues)
    )
    into others_due;
  end if;

  passed := passed + (
    select sum(pg_stat_get_xact_tuples_returned(probe.index)) from unnest(probed) as probe (index)
  );

  time_in := extract(epoch from least(
    (
      select wait.until from baton.workflow_waits as wait
      where wait.woken_at is null and wait.until is not null
      order by wait.until
      limit 1
    ),
    (
      select workflow.deadline from baton.workflows as workflow
      where workflow.state = 'executing' and workflow.deadline is not null
      order by workflow.deadline
      limit 1
    )
  ) - present);

  -- what is to be seen to at once is dated to the beginning of time
  select extract(epoch from min(greatest(oldest.inserted_at, present - interval '1 hour')) - present) + age
  into sweep_in
  from (
    select kept.inserted_at from baton.workflow_releases as kept order by kept.id limit 100
  ) as oldest;

  select
    concat(count(*), ' ', sum(held.id)),
    extract(epoch from min(least(
      -- a living process moves the end on, again and again: far ahead it says nothing
      case when held.expires_at < present + interval '2 s' then held.expires_at end,
      case
        when held.guarded and quiet.unlocked
        then greatest(held.renewed_at, pg_postmaster_start_time()) + make_interval(secs => silence)
      end
    )) - present),
    array_agg(held.id) filter (where quiet.near),
    array_agg(held.process) filter (where quiet.near)
  into leases, rescue_in, near, processes
  from baton.leases as held
  left join lateral (
    select
      lock.objid is null as unlocked,
      starts_with(held.process, machine) and held.id <> look_around.lease and (
        lock.objid is null and held.guarded
        or held.renewed_at < present - make_interval(secs => silence)
      ) as near
    from (values (1)) as one
    left join pg_locks as lock
      on lock.locktype = 'advisory'
      and lock.database = (select own.oid from pg_database as own where own.datname = current_database())
      and lock.classid::bigint = hashtext('baton.leases')::bigint & 4294967295
      and lock.objid::bigint = held.id % 2147483647
      and lock.objsubid = 2
    -- nobody else's lock is looked for as long as everybody is heard of
    where held.renewed_at < present - make_interval(secs => patience)
  ) as quiet on true;

  -- without a row, or with one of the future, as if it had been long ago
  rescued_ago := coalesce((
    select extract(epoch from present - greatest(duty.last_run_at, present - interval '1 day'))
    from baton.duties as duty
    where duty.name = 'rescue' and duty.last_run_at < present + interval '1 minute'
  ), 86400);

  said := concat(
    (
      select sum(hashtextextended(row(setting.name, setting.slots, setting.start_slots, setting.paused_at)::text, 0))
      from baton.queues as setting
    ), ' ',
    (
      select sum(hashtextextended(row(local.queue, local.slots, local.start_slots, local.paused_at)::text, 0))
      from baton.queue_nodes as local where local.node = here
    )
  );

  crons := (
    select concat(count(*), ' ', sum(hashtextextended(row(cron.name, cron.updated_at)::text, 0)))
    from baton.crons as cron
  );

  callbacks := exists (
    select from baton.workflow_callbacks as callback
    where callback.worker = any (workers)
      and (
        callback.claimed_by is null
        or callback.claimed_by = lease
        or not exists (select from baton.leases as held where held.id = callback.claimed_by)
      )
  );

  budgets := exists (
    select from baton.budget_reservations as each
    where not exists (
      select from baton.jobs as job
      where job.id = each.job_id
        and job.state = 'executing' and job.epoch = each.epoch and job.attempted_by = each.lease
    )
  );
end
$$;
