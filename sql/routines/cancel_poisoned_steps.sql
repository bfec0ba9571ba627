-- Cancels the waiting steps that the end of the given steps has poisoned, the whole closure at once.
-- Locks the jobs ascending by id and passes over those that somebody else holds: `complete` is then
-- false and the caller keeps its row of workflow_releases, so that the sweep comes back.
-- The closure is looked up again after the locks, in a statement of its own: its snapshot sees what
-- was committed while they were taken. It goes only through what was locked: what stands behind a step
-- that somebody else holds is not poisoned before that one is. Workers that want to hear of it get a row of
-- workflow_callbacks each. Arrays lead from one statement to the next: joins of two of their results
-- would be nested loops here, and a cascade over 10,000 steps took 6 s.
create or replace function baton.cancel_poisoned_steps(
  ids bigint[], out cancelled bigint[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  doomed record;
  candidates bigint[] := array(select baton.poisoned_steps(ids, null));
  locked bigint[];
begin
  cancelled := '{}';
  complete := true;
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
  cancelled := array(select baton.poisoned_steps(ids, locked) order by 1);
  update baton.workflow_steps as step
  set outcome = 'cancelled', finished_at = now()
  where step.job_id = any (cancelled);

  -- what ended badly before comes before what this cascade cancels
  select
    array_agg(step.job_id) as ids,
    array_agg(reason.cause) as causes,
    array_agg(reason.kind) as kinds,
    bool_or(step.has_callbacks) as heard
  into doomed
  from baton.workflow_steps as step
  cross join lateral (
    select
      case
        when parent.subworkflow_id = step.workflow_id
          then format('step %s, which is this workflow, did not start', parent.step_name)
        else format(
          'dependency %s %s',
          coalesce(parent.step_name, edge.parent_id::text),
          case when parent.job_id is null then 'is gone' else 'was ' || parent.outcome end
        )
      end as cause,
      case
        when parent.job_id is null or parent.outcome = 'discarded' then 'discarded'
        else 'cancelled'
      end as kind
    from baton.workflow_edges as edge
    left join baton.workflow_steps as parent on parent.job_id = edge.parent_id
    where edge.child_id = step.job_id
      and (
        parent.job_id is null
        or parent.outcome = 'discarded' and not step.ignore_discarded
        or parent.outcome = 'cancelled' and not step.ignore_cancelled
        or parent.subworkflow_id = step.workflow_id
      )
    order by coalesce(parent.finished_at = now(), false), parent.outcome, edge.parent_id
    limit 1
  ) as reason
  where step.job_id = any (cancelled);

  update baton.workflow_steps as step
  set cause = given.cause
  from unnest(doomed.ids, doomed.causes) as given (id, cause)
  where step.job_id = given.id;
  update baton.jobs as job
  set
    state = 'cancelled',
    cancelled_at = now(),
    unique_key = case when 'cancelled' = any (job.unique_states) then job.unique_key end,
    errors = job.errors || jsonb_build_object(
      'attempt', job.attempt, 'at', now(), 'kind', 'dependency', 'message', given.cause
    )
  from unnest(doomed.ids, doomed.causes) as given (id, cause)
  where job.id = given.id;
  if doomed.heard then
    insert into baton.workflow_callbacks (job_id, worker, kind, reason)
    select job.id, job.worker, given.kind, given.cause
    from unnest(doomed.ids, doomed.causes, doomed.kinds) as given (id, cause, kind)
    join baton.jobs as job on job.id = given.id
    join baton.workflow_steps as step on step.job_id = given.id and step.has_callbacks;
    perform baton.notify('baton.control', 'callbacks');
  end if;
end
$$;
