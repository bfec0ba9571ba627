-- Claims up to `capacities[i]` available jobs of `queues[i]` for a lease: lowest priority number
-- first, then the oldest. Rows held by others are skipped, never waited for. The epoch grows with
-- each claim. Whether the lease is held is seen in the statement that claims: had it been seen before, the
-- lease may be gone since, and what it held would be found available again, and claimed for nobody.
-- Up to `spares[i]` more are claimed ahead of free slots, for a process whose jobs are short; but no job
-- for its last attempt, since a process that is killed with it in hand would have used it up without
-- starting it. Such a job stays available, and locked until this transaction ends.
-- Rows come back as parallel arrays, one element a job, in the order in which they are to
-- run; times are seconds since 1970. What most jobs leave empty is in `extras`: a JSON array, or the
-- object `meta` alone where that is all that there is, as with most steps, or null.
-- `steps` describes, by job id, those that are steps of workflows, and `results` holds what
-- their dependencies returned, each once however many of the fetched steps read it. `retry_in` is the
-- time in seconds after which a rate limit lets more start. With `announce`, `starts` are the events
-- of the steps that start, with the workflow of each in `start_flows`, for the caller to publish.
-- The `range_` arrays say where to look, in the order of the index, each range from (priority, time,
-- id) to the end of the priority `top`; without them everywhere. A process that claims one batch after
-- another goes on where the last one ended: the entries before may be dead, and yet have to be walked
-- over as long as some old transaction could still see them.
-- An attempt or epoch that a person has set to the last number there is stays there: one row must not
-- keep the others from being claimed.
-- What was said about a queue is read here, under a lock that whoever says something takes alone: once
-- a pause has returned, no process claims anything. Queues with limits, partitions or ageing go
-- through pick_limited_jobs, one process at a time and in the order of their names; the others
-- meet no lock that is waited for.
create or replace function baton.fetch_jobs(
  lease bigint,
  queues text[],
  capacities integer[],
  announce boolean default false,
  spares integer[] default null,
  range_queues text[] default null,
  range_priorities smallint[] default null,
  range_times double precision[] default null,
  range_ids bigint[] default null,
  range_tops smallint[] default null,
  out ids bigint[],
  out epochs bigint[],
  out queue_names text[],
  out workers text[],
  out args text[],
  out priorities smallint[],
  out attempts smallint[],
  out max_attempts smallint[],
  out inserted_ats double precision[],
  out scheduled_ats double precision[],
  out extras text[],
  out attempted_at double precision,
  out steps text,
  out results text,
  out retry_in double precision,
  out start_flows uuid[],
  out starts text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  step_ids bigint[];
  free_queues text[];
  free_capacities integer[];
  free_spares integer[];
  limited_queues text[];
  limited_capacities integer[];
  pick record;
  limited bigint[] := '{}';
begin
  if spares is null then
    spares := array_fill(0, array[cardinality(queues)]);
  end if;
  if range_queues is null then
    range_queues := queues;
    range_priorities := array_fill(0::smallint, array[cardinality(queues)]);
    range_times := array_fill('-infinity'::double precision, array[cardinality(queues)]);
    range_ids := array_fill(0::bigint, array[cardinality(queues)]);
    range_tops := array_fill(9::smallint, array[cardinality(queues)]);
  end if;
  start_flows := '{}';
  starts := '{}';
  -- never null; as an expression it is evaluated at once, and as a statement by the executor
  if pg_advisory_xact_lock_shared(hashtext('baton.queues'), 0) is null then
    return;
  end if;

  if exists (select from baton.queues as setting where setting.name = any (queues))
    or exists (select from baton.queue_nodes as local where local.queue = any (queues))
  then
    select
      array_agg(want.queue) filter (where not want.limited),
      array_agg(want.capacity) filter (where not want.limited),
      array_agg(want.spare) filter (where not want.limited),
      array_agg(want.queue order by want.queue) filter (where want.limited),
      array_agg(want.capacity order by want.queue) filter (where want.limited)
    into free_queues, free_capacities, free_spares, limited_queues, limited_capacities
    from (
      select
        asked.queue,
        asked.capacity,
        asked.spare,
        coalesce(setting.global_limit, setting.rate_limit, setting.ageing) is not null
          or setting.partition_by is not null as limited
      from unnest(queues, capacities, spares) as asked (queue, capacity, spare)
      left join baton.queues as setting on setting.name = asked.queue
      left join baton.queue_nodes as local
        on local.queue = asked.queue
        and local.node = (select held.node from baton.leases as held where held.id = lease)
      where setting.paused_at is null
        and local.paused_at is null
        and coalesce(local.slots, setting.slots, 1) > 0
    ) as want;
  else
    free_queues := queues;
    free_capacities := capacities;
    free_spares := spares;
  end if;

  for i in 1 .. coalesce(cardinality(limited_queues), 0) loop
    pick := baton.pick_limited_jobs(limited_queues[i], limited_capacities[i]);
    limited := limited || pick.ids;
    retry_in := least(retry_in, pick.retry_in);
  end loop;

  -- a time that no job in this statement's snapshot can be later than
  with present as (
    select clock_timestamp() as moment
  ),
  claimed as (
    update baton.jobs as job
    set
      state = 'executing',
      attempt = least(job.attempt, 32766) + 1,
      attempted_at = (select present.moment from present),
      attempted_by = lease,
      epoch = least(job.epoch, 9223372036854775806) + 1,
      unique_key = case when 'executing' = any (job.unique_states) then job.unique_key end
    where exists (select from baton.leases as held where held.id = lease and held.expires_at > now())
      and job.id = any (limited || array(
      select picked.id
      from unnest(free_queues, free_capacities, free_spares) as want (queue, capacity, spare)
      cross join lateral (
        select found.id, found.again, row_number() over () as place
        from (
          select ready.id, ready.again
          from unnest(range_queues, range_priorities, range_times, range_ids, range_tops)
            as part (queue, priority, time, id, top)
          cross join lateral (
            select candidate.id, candidate.attempt < candidate.max_attempts - 1 as again
            from baton.jobs as candidate
            where candidate.state = 'available'
              and candidate.partition_key is null
              and candidate.queue = part.queue
              and candidate.priority <= part.top
              and (candidate.priority, candidate.scheduled_at, candidate.id)
                >= (part.priority, to_timestamp(part.time), part.id)
            order by candidate.priority, candidate.scheduled_at, candidate.id
            limit want.capacity + want.spare
            for no key update skip locked
          ) as ready
          where part.queue = want.queue
          limit want.capacity + want.spare
        ) as found
      ) as picked
      where picked.place <= want.capacity or picked.again
    ))
    returning
      job.id, job.epoch, job.queue, job.worker, job.args, job.priority, job.attempt,
      job.max_attempts, job.inserted_at, job.scheduled_at, job.meta, job.tags, job.errors,
      job.timeout, job.deadline, job.weight
  )
  select
    array_agg(claimed.id), array_agg(claimed.epoch), array_agg(claimed.queue),
    array_agg(claimed.worker), array_agg(claimed.args::text), array_agg(claimed.priority),
    array_agg(claimed.attempt), array_agg(claimed.max_attempts),
    array_agg(date_part('epoch', claimed.inserted_at)),
    array_agg(date_part('epoch', claimed.scheduled_at)),
    array_agg(
      case
        when claimed.tags <> '{}' or claimed.errors <> '[]'
          or claimed.weight <> 1 or claimed.timeout is not null or claimed.deadline is not null
          then json_build_array(
            claimed.meta::text, claimed.tags, claimed.errors::text, claimed.timeout,
            date_part('epoch', claimed.deadline), claimed.weight
          )::text
        when claimed.meta <> '{}' then claimed.meta::text
      end
    ),
    array_agg(claimed.id) filter (where claimed.meta ? 'workflow_id'),
    date_part('epoch', (select present.moment from present))
  into
    ids, epochs, queue_names, workers, args, priorities, attempts, max_attempts, inserted_ats,
    scheduled_ats, extras, step_ids, attempted_at
  from (
    select * from claimed order by array_position(limited, id), priority, scheduled_at, id
  ) as claimed;

  if cardinality(limited) > 0 and ids is not null then
    -- not before any of them, so that no window of the period holds more than the limit
    insert into baton.queue_starts (queue, partition_key, started_at, weight)
    select job.queue, coalesce(job.partition_key, ''), max(job.attempted_at), sum(job.weight)
    from baton.jobs as job
    join baton.queues as setting on setting.name = job.queue
    where job.id = any (limited) and setting.rate_limit is not null
    group by job.queue, job.partition_key;
  end if;

  if step_ids is not null then
    select described.* into steps, results, start_flows, starts
    from baton.describe_steps(step_ids, announce) as described;
  end if;
end
$$;
