-- Opens the gates of the waiting dependents of the given steps, and of those of the given steps that
-- wait themselves, where nothing keeps them closed: a job becomes available, a step of another kind
-- is parked, and a step that is not to run is skipped, which counts as completed.
-- Locks their jobs ascending by id and passes over those that somebody else holds: `complete` is then
-- false and the caller keeps its row of workflow_releases.
-- The gate is looked at again in a statement of its own, under the lock and with a new snapshot.
-- `limit 1` in a scalar subquery, and not `exists`: the planner keeps its order, so a fan-in of
-- 10,000 is refused by one probe, that of its newest dependency.
create or replace function baton.release_steps(
  ids bigint[], out released bigint[], out skipped bigint[], out parked bigint[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  candidates bigint[];
  locked bigint[];
  told bigint;
begin
  released := '{}';
  skipped := '{}';
  parked := '{}';
  complete := true;
  candidates := array(
    select job.id
    from (
      select unnest(ids) as id
      union
      select edge.child_id from baton.workflow_edges as edge where edge.parent_id = any (ids)
    ) as candidate
    join baton.jobs as job on job.id = candidate.id and job.state = 'suspended'
    join baton.workflow_steps as step on step.job_id = candidate.id and step.parked_at is null
    where (
      select unmet.parent_id from baton.unmet_dependencies as unmet
      where unmet.child_id = job.id
      order by unmet.parent_id desc
      limit 1
    ) is null
  );
  if cardinality(candidates) = 0 then
    return;
  end if;
  locked := array(
    select job.id from baton.jobs as job
    where job.id = any (candidates) and job.state = 'suspended'
    order by job.id
    for no key update skip locked
  );
  complete := cardinality(locked) = cardinality(candidates);
  with ready as (
    select
      job.id,
      job.scheduled_at,
      step.workflow_id,
      step.kind,
      step.signal,
      step.wait_seconds,
      step.on_timeout,
      baton.skip_cause(step) as cause,
      case
        when job.scheduled_at > now() then 'scheduled'::baton.job_state
        else 'available'::baton.job_state
      end as state
    from baton.jobs as job
    join baton.workflow_steps as step on step.job_id = job.id and step.parked_at is null
    where job.id = any (locked)
      and job.state = 'suspended'
      and (
        select unmet.parent_id from baton.unmet_dependencies as unmet
        where unmet.child_id = job.id
        order by unmet.parent_id desc
        limit 1
      ) is null
  ),
  freed as (
    update baton.jobs as job
    set
      state = case when ready.cause is null then ready.state else 'completed'::baton.job_state end,
      completed_at = case when ready.cause is not null then now() end,
      unique_key = case
        when case when ready.cause is null then ready.state else 'completed'::baton.job_state end
          = any (job.unique_states) then job.unique_key
      end
    from ready
    where job.id = ready.id
      and (ready.cause is not null or ready.kind = 'job')
    returning job.id, job.state, job.scheduled_at, ready.cause
  ),
  spared as (
    update baton.workflow_steps as step
    set outcome = 'completed', skipped = true, cause = freed.cause, finished_at = now()
    from freed
    where step.job_id = freed.id and freed.cause is not null
    returning step.job_id
  ),
  held as (
    update baton.workflow_steps as step
    set parked_at = now()
    from ready
    where step.job_id = ready.id and ready.cause is null and ready.kind <> 'job'
    returning step.job_id
  ),
  waiting as (
    insert into baton.workflow_waits as wait (job_id, workflow_id, signal, until, on_timeout)
    select
      ready.id, ready.workflow_id, ready.signal,
      greatest(ready.scheduled_at, now()) + make_interval(secs => ready.wait_seconds),
      case ready.kind when 'sleep' then 'completed' else ready.on_timeout::text end
    from ready
    where ready.cause is null and ready.kind <> 'job'
    on conflict (job_id) do update
    set
      signal = excluded.signal, until = excluded.until, on_timeout = excluded.on_timeout,
      inserted_at = now(), woken_at = null
    returning wait.until
  )
  select
    coalesce(array_agg(freed.id) filter (where freed.cause is null), '{}'),
    array(select spared.job_id from spared),
    array(select held.job_id from held),
    -- sooner than the stagers look by themselves
    count(pg_notify('baton.control', 'due')) filter (
      where freed.state = 'scheduled' and freed.scheduled_at < now() + interval '1.5 s'
    )
    + (
      select count(pg_notify('baton.control', 'due')) from waiting where waiting.until is not null
    )
  into released, skipped, parked, told
  from freed;
end
$$;
