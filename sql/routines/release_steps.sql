-- Opens the gates of the dependents of the given steps, and of those of the given steps that wait
-- themselves, where nothing keeps them closed: a job becomes available, a step of another kind
-- is parked, and a step that is not to run is skipped, which counts as completed.
-- Locks their jobs ascending by id and passes over those that somebody else holds: `complete` is then
-- false and the caller keeps its row of workflow_releases.
-- The gate is looked at again under the lock, in a statement of its own with a new snapshot, which also
-- opens it. `limit 1` in a scalar subquery, and not `exists`: the planner keeps its order, so a fan-in
-- of 10,000 is refused by one probe, that of its newest dependency. Both looks at a gate begin with what
-- is surely met (sql/routines/surely_met.sql), which for most steps is all.
-- `quiet` are those of `flows`, the workflows of the given steps, that no open dependent was found in:
-- they may be finished. Its caller has kept the planner from hash joins and scans.
create or replace function baton.release_steps(
  ids bigint[], waiting bigint[], flows uuid[],
  out released bigint[], out skipped bigint[], out parked bigint[], out quiet uuid[], out complete boolean
)
language plpgsql
as $$
declare
  candidates bigint[];
  locked bigint[];
  causes text[];
  spared record;
  told bigint;
begin
  released := '{}';
  skipped := '{}';
  parked := '{}';
  complete := true;
  with open_step as materialized (
    select step.job_id, step.workflow_id, step.parked_at
    from (
      select unnest(waiting) as id
      union
      select edge.child_id from baton.workflow_edges as edge where edge.parent_id = any (ids)
    ) as reached
    cross join lateral (
      select step.job_id, step.workflow_id, step.parked_at
      from baton.workflow_steps as step
      where step.job_id = reached.id and step.outcome is null
      limit 1  -- or the planner, with statistics of an empty table, begins with all open steps
    ) as step
  )
  select
    array(
      select open_step.job_id
      from open_step
      where open_step.parked_at is null
        and (
          (
            select edge.parent_id
            from baton.workflow_edges as edge
            left join baton.workflow_steps as parent on parent.job_id = edge.parent_id
            where edge.child_id = open_step.job_id
              and not baton.surely_met(parent.outcome, parent.skipped, parent.subworkflow_id)
            order by edge.parent_id desc
            limit 1
          ) is null
          or (
            select unmet.parent_id from baton.unmet_dependencies as unmet
            where unmet.child_id = open_step.job_id
            order by unmet.parent_id desc
            limit 1
          ) is null
        )
    ),
    array(select unnest(flows) except select open_step.workflow_id from open_step)
  into candidates, quiet;
  if cardinality(candidates) = 0 then
    return;
  end if;
  locked := array(
    select job.id from baton.jobs as job
    where job.id = any (candidates) and job.state = 'suspended'
    order by job.id
    for no key update skip locked
  );
  if cardinality(locked) < cardinality(candidates) then
    -- the others were released before, or somebody else has them
    complete := not exists (
      select job.id from baton.jobs as job
      where job.id = any (candidates) and job.state = 'suspended'
      except
      select unnest(locked)
    );
  end if;

  with ready as materialized (
    select
      step.job_id,
      step.kind <> 'job' as parks,
      case
        when step.run_on = 'failed' or gate.skipped and not step.ignore_skipped
          then baton.skip_cause(step)
      end as cause
    from baton.workflow_steps as step
    cross join lateral (
      select
        bool_or(not baton.surely_met(parent.outcome, parent.skipped, parent.subworkflow_id)) as doubtful
      from baton.workflow_edges as edge
      left join baton.workflow_steps as parent on parent.job_id = edge.parent_id
      where edge.child_id = step.job_id
    ) as glance
    cross join lateral (
      select
        coalesce(bool_or(dependency.unmet), false) as closed,
        coalesce(bool_or(dependency.parent_skipped), false) as skipped
      from baton.dependencies as dependency
      where dependency.child_id = step.job_id and glance.doubtful
    ) as gate
    where step.job_id = any (locked) and step.parked_at is null and not gate.closed
  ),
  freed as (
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
    where job.id = any (array(
        select ready.job_id from ready where not ready.parks and ready.cause is null
      ))
      and job.state = 'suspended'
    returning job.id, job.state, job.scheduled_at
  )
  select
    coalesce(array_agg(freed.id), '{}'),
    -- sooner than the stagers look by themselves
    count(baton.notify('baton.control', 'due')) filter (
      where freed.state = 'scheduled' and freed.scheduled_at < now() + interval '1.5 s'
    ),
    array(select ready.job_id from ready where ready.cause is not null),
    array(select ready.cause from ready where ready.cause is not null),
    array(select ready.job_id from ready where ready.parks and ready.cause is null)
  into released, told, skipped, causes, parked
  from freed;

  if cardinality(parked) > 0 then
    perform baton.park_steps(parked);
  end if;
  if cardinality(skipped) > 0 then
    for spared in
      select given.cause, array_agg(given.id) as ids
      from unnest(skipped, causes) as given (id, cause)
      group by given.cause
    loop
      perform baton.skip_steps(spared.ids, spared.cause);
    end loop;
  end if;
end
$$;
