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
  ready record;
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
    where (
      select step.parked_at from baton.workflow_steps as step where step.job_id = job.id
    ) is null
    and (
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
  for ready in
    select
      baton.skip_cause(step) as cause,
      step.kind <> 'job' as parks,
      array_agg(step.job_id) as ids
    from baton.workflow_steps as step
    where step.job_id = any (locked)
      and step.parked_at is null
      and (
        select unmet.parent_id from baton.unmet_dependencies as unmet
        where unmet.child_id = step.job_id
        order by unmet.parent_id desc
        limit 1
      ) is null
    group by 1, 2
  loop
    if ready.cause is not null then
      perform baton.skip_steps(ready.ids, ready.cause);
      skipped := skipped || ready.ids;
    elsif ready.parks then
      perform baton.park_steps(ready.ids);
      parked := parked || ready.ids;
    else
      with freed as (
        update baton.jobs as job
        set
          state = case
            when job.scheduled_at > now() then 'scheduled'::baton.job_state
            else 'available'::baton.job_state
          end,
          unique_key = case
            when case
              when job.scheduled_at > now() then 'scheduled'::baton.job_state
              else 'available'::baton.job_state
            end = any (job.unique_states) then job.unique_key
          end
        where job.id = any (ready.ids) and job.state = 'suspended'
        returning job.id, job.state, job.scheduled_at
      )
      select
        coalesce(array_agg(freed.id), '{}'),
        -- sooner than the stagers look by themselves
        count(pg_notify('baton.control', 'due')) filter (
          where freed.state = 'scheduled' and freed.scheduled_at < now() + interval '1.5 s'
        )
      into released, told
      from freed;
    end if;
  end loop;
end
$$;
