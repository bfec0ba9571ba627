-- Makes scheduled and retryable jobs available once they are due, and tells their queues: of each of
-- `queues`, or of every queue when that is null, the oldest first and an equal portion of `most`.
-- Then up to `spare` of all other queues: nobody waits for those, so however many there are they
-- delay nothing, but people who look shall find them available in the end.
-- `ready` are the queues that got something; `next_in` is the time in seconds until the next job of
-- `queues` is due, 0 when a portion was too small, and null when there is none.
-- Rows held by others are skipped: two processes share the work.
-- The time is a variable, since an index is not searched for the result of a volatile function: every
-- job that is scheduled for later would be read. The names come from the index by leaps, one probe
-- for each, and not from a look at every row.
create or replace function baton.stage_jobs(
  most integer, queues text[] default null, spare integer default 0,
  out staged bigint, out next_in double precision, out ready text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
as $$
declare
  present timestamptz := clock_timestamp();
  everything text[] := '{}';
  portion integer;
  fullest bigint;
  told bigint;
begin
  if queues is null or spare > 0 then
    with recursive waiting (queue) as (
      (
        select job.queue from baton.jobs as job
        where job.state in ('scheduled', 'retryable')
        order by job.queue
        limit 1
      )
      union all
      select (
        select job.queue from baton.jobs as job
        where job.state in ('scheduled', 'retryable') and job.queue > waiting.queue
        order by job.queue
        limit 1
      )
      from waiting
      where waiting.queue is not null
    )
    select coalesce(array_agg(waiting.queue), '{}') into everything
    from waiting
    where waiting.queue is not null;
  end if;
  queues := coalesce(queues, everything);
  portion := greatest(most / greatest(cardinality(queues), 1), 1);

  with due as (
    update baton.jobs as job
    set
      state = 'available',
      unique_key = case when 'available' = any (job.unique_states) then job.unique_key end
    where job.id = any (array(
      select oldest.id
      from unnest(queues) as served (queue)
      cross join lateral (
        select candidate.id from baton.jobs as candidate
        where candidate.state in ('scheduled', 'retryable')
          and candidate.queue = served.queue
          and candidate.scheduled_at <= present
        order by candidate.scheduled_at, candidate.id
        limit portion
        for no key update skip locked
      ) as oldest
      union all
      select rest.id
      from (
        select oldest.id
        from unnest(everything) as other (queue)
        cross join lateral (
          select candidate.id from baton.jobs as candidate
          where candidate.state in ('scheduled', 'retryable')
            and candidate.queue = other.queue
            and candidate.scheduled_at <= present
          order by candidate.scheduled_at, candidate.id
          limit spare
          for no key update skip locked
        ) as oldest
        where other.queue <> all (queues)
        limit spare
      ) as rest
    ))
    returning job.queue
  ),
  counted as (
    select due.queue, count(*) as jobs from due group by due.queue
  )
  select
    coalesce(sum(counted.jobs), 0),
    coalesce(array_agg(counted.queue), '{}'),
    max(counted.jobs) filter (where counted.queue = any (queues)),
    count(baton.notify('baton.jobs', counted.queue))
  into staged, ready, fullest, told
  from counted;

  if fullest >= portion then
    next_in := 0;
    return;
  end if;

  select extract(epoch from min(soonest.at) - clock_timestamp()) into next_in
  from unnest(queues) as served (queue)
  cross join lateral (
    select job.scheduled_at as at from baton.jobs as job
    where job.state in ('scheduled', 'retryable')
      and job.queue = served.queue
      and job.scheduled_at > present
    order by job.scheduled_at, job.id
    limit 1
  ) as soonest;
end
$$;
