-- Takes jobs away from dead processes. A lease is dead when it ran out, or when its process went
-- silent for `silence` seconds and the advisory lock that it held is free, that is, its connection is
-- gone; but not that of `own`, which is alive, or nobody would ask. Without `silence` a lease is dead only
-- when it ran out. Dead leases are deleted; then every executing job without a lease becomes available, or
-- is discarded when its attempts are used up. Locks leases, then jobs ascending by id, skipping rows
-- that others hold; at most `most` jobs a call.
-- For those who watch a step, an attempt whose process died is one that failed: `notices` are these events,
-- published if `announce` says so. Steps that are discarded are announced by the sweep.
-- One process at a time does it, no more often than every `pause` seconds: the row of duties is the
-- lock and the clock. Whoever comes too early gets null for `leases`, and has done nothing.
create or replace function baton.rescue_jobs(
  silence double precision, pause double precision, most integer, announce boolean default true,
  own bigint default null,
  out leases bigint[], out rescued bigint[], out discarded bigint[], out notices text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  orphans bigint[];
  told bigint;
  flows uuid[];
begin
  leases := '{}';
  rescued := '{}';
  discarded := '{}';
  notices := '{}';
  if not baton.take_duty('rescue', pause) then
    leases := null;
    return;
  end if;

  with dead as (
    delete from baton.leases as lease
    where lease.id = any (array(
      select silent.id from baton.leases as silent
      where silent.expires_at < clock_timestamp()
        or (
          silent.guarded
          -- its connection for jobs may be back before that which holds its lease
          and silent.id is distinct from own
          -- a restart of the server silences everybody; they have time to come back
          and greatest(silent.renewed_at, pg_postmaster_start_time())
            < clock_timestamp() - make_interval(secs => silence)
          and pg_try_advisory_xact_lock(hashtext('baton.leases'), (silent.id % 2147483647)::integer)
        )
      order by silent.id
      for update skip locked
    ))
    returning lease.id
  )
  select coalesce(array_agg(dead.id), '{}') into leases from dead;

  orphans := array(
    select job.id from baton.jobs as job
    where job.state = 'executing'
      and not exists (select from baton.leases as lease where lease.id = job.attempted_by)
    order by job.id
    limit most
    for no key update skip locked
  );
  if cardinality(orphans) = 0 then
    return;
  end if;

  with freed as (
    update baton.jobs as job
    set
      state = case
        when job.attempt < job.max_attempts then 'available'::baton.job_state
        else 'discarded'::baton.job_state
      end,
      unique_key = case
        when case
          when job.attempt < job.max_attempts then 'available'::baton.job_state
          else 'discarded'::baton.job_state
        end = any (job.unique_states) then job.unique_key
      end,
      discarded_at = case when job.attempt < job.max_attempts then null else clock_timestamp() end,
      errors = job.errors || jsonb_build_object(
        'attempt', job.attempt,
        'scheduled_at', job.scheduled_at,
        'attempted_at', job.attempted_at,
        'at', clock_timestamp(),
        'kind', 'rescued',
        'message', 'the worker process that ran it died'
      )
    where job.id = any (orphans) and job.state = 'executing'
    returning job.id, job.state, job.queue
  ),
  noted as (
    update baton.workflow_steps as step
    set
      outcome = 'discarded',
      cause = 'the worker process that ran it died',
      finished_at = clock_timestamp()
    from freed
    where step.job_id = freed.id and freed.state = 'discarded'
    returning step.job_id
  ),
  kept as (
    -- old enough for the very next sweep, which is called for
    insert into baton.workflow_releases (job_ids, inserted_at)
    select array_agg(noted.job_id), '-infinity' from noted having count(*) > 0
    returning id
  ),
  called as (
    select count(baton.notify('baton.control', 'sweep')) as words from kept
  )
  select
    coalesce(array_agg(freed.id) filter (where freed.state = 'available'), '{}'),
    coalesce(array_agg(freed.id) filter (where freed.state = 'discarded'), '{}'),
    (
      select count(baton.notify('baton.jobs', ready.queue))
      -- what was discarded frees its place in a limited queue
      from (select distinct free.queue from freed as free) as ready
    )
    + (select called.words from called)
  into rescued, discarded, told
  from freed;

  select array_agg(freed.workflow_id), array_agg(freed.event)
  into flows, notices
  from (
    select
      step.workflow_id,
      baton.step_event(
        step.workflow_id, workflow.name, step.step_name, 'retryable', false, job.id, job.epoch,
        job.worker, job.attempt, step.result is not null, job.errors -> -1 ->> 'message',
        clock_timestamp()
      ) as event
    from baton.workflow_steps as step
    join baton.jobs as job on job.id = step.job_id
    left join baton.workflows as workflow on workflow.id = step.workflow_id
    where step.job_id = any (rescued)
    order by step.job_id
  ) as freed;
  if notices is null then
    notices := '{}';
  elsif announce then
    perform baton.publish(flows, notices);
  end if;
end
$$;
