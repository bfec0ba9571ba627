-- Cancels the waiting steps that the end of the given steps has poisoned, the whole closure at once.
-- Locks the jobs ascending by id and passes over those that somebody else holds: `complete` is then
-- false and the caller keeps its row of workflow_releases, so that the sweep comes back.
-- The closure is looked up again after the locks, in a statement of its own: its snapshot sees what
-- was committed while they were taken. Workers that want to hear of it get a row of
-- workflow_callbacks each.
create or replace function baton.cancel_poisoned_steps(
  ids bigint[], out cancelled bigint[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  told bigint;
  candidates bigint[] := array(select baton.poisoned_steps(ids));
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
  with poisoned as (
    select step.job_id, step.has_callbacks, reason.cause, reason.kind
    from baton.poisoned_steps(ids) as poisoned (id)
    join baton.workflow_steps as step on step.job_id = poisoned.id
    cross join lateral (
      select
        case
          when parent.subworkflow_id = step.workflow_id
            then format('step %s, which is this workflow, did not start', parent.step_name)
          else format(
            'dependency %s %s',
            coalesce(parent.step_name, edge.parent_id::text),
            case
              when parent.job_id is null then 'is gone'
              else 'was ' || coalesce(parent.outcome, 'cancelled')
            end
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
          or parent.outcome is null and edge.parent_id = any (candidates)
          or parent.subworkflow_id = step.workflow_id
        )
      order by parent.outcome nulls last, edge.parent_id
      limit 1
    ) as reason
    where step.job_id = any (locked)
  ),
  ended as (
    update baton.jobs as job
    set
      state = 'cancelled',
      cancelled_at = now(),
      unique_key = case when 'cancelled' = any (job.unique_states) then job.unique_key end,
      errors = job.errors || jsonb_build_object(
        'attempt', job.attempt, 'at', now(), 'kind', 'dependency', 'message', poisoned.cause
      )
    from poisoned
    where job.id = poisoned.job_id and job.state = 'suspended'
    returning job.id, job.worker
  ),
  called as (
    insert into baton.workflow_callbacks (job_id, worker, kind, reason)
    select ended.id, ended.worker, poisoned.kind, poisoned.cause
    from ended
    join poisoned on poisoned.job_id = ended.id
    where poisoned.has_callbacks
    returning id
  ),
  noted as (
    update baton.workflow_steps as step
    set outcome = 'cancelled', cause = poisoned.cause, finished_at = now()
    from ended
    join poisoned on poisoned.job_id = ended.id
    where step.job_id = ended.id
    returning step.job_id
  )
  select
    coalesce(array_agg(noted.job_id), '{}'),
    (select count(pg_notify('baton.control', 'callbacks')) from called)
  into cancelled, told
  from noted;
end
$$;
