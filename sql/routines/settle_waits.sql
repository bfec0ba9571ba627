-- Ends the waiting of the given steps where there is no more to wait for: `settled` have ended, `woken`
-- run again. Locks their jobs ascending by id and passes over those that somebody else holds:
-- `complete` is then false and the caller keeps its row of workflow_releases. What the wait came to is
-- looked at again under the lock, in a statement of its own.
create or replace function baton.settle_waits(
  ids bigint[], out settled bigint[], out woken bigint[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  candidates bigint[];
  locked bigint[];
begin
  settled := '{}';
  woken := '{}';
  complete := true;
  candidates := array(select ended.job_id from baton.ended_waits(ids) as ended);
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
  with over as materialized (
    select
      ended.job_id, ended.verdict, ended.result, ended.cause,
      case ended.verdict when 'resume' then 'available' else ended.verdict end::baton.job_state
        as state
    from baton.ended_waits(locked) as ended
  ),
  moved as (
    update baton.jobs as job
    set
      state = over.state,
      scheduled_at = case when over.verdict = 'resume' then clock_timestamp() else job.scheduled_at end,
      completed_at = case when over.state = 'completed' then clock_timestamp() end,
      discarded_at = case when over.state = 'discarded' then clock_timestamp() end,
      cancelled_at = case when over.state = 'cancelled' then clock_timestamp() end,
      unique_key = case when over.state = any (job.unique_states) then job.unique_key end,
      errors = case
        when over.state in ('discarded', 'cancelled') then job.errors || jsonb_build_object(
          'attempt', job.attempt, 'at', clock_timestamp(), 'kind', 'wait', 'message', over.cause
        )
        else job.errors
      end
    from over
    where job.id = over.job_id and job.state = 'suspended'
    returning job.id, over.verdict
  ),
  noted as (
    update baton.workflow_steps as step
    set
      outcome = case when over.verdict <> 'resume' then over.state end,
      cause = over.cause,
      result = coalesce(over.result, step.result),
      finished_at = case when over.verdict <> 'resume' then clock_timestamp() end,
      parked_at = case when over.verdict <> 'resume' then step.parked_at end
    from over
    where step.job_id = over.job_id and step.job_id in (select moved.id from moved)
  ),
  told as (
    update baton.workflow_waits as wait
    set woken_at = clock_timestamp()
    where wait.job_id in (select moved.id from moved)
  )
  select
    coalesce(array_agg(moved.id) filter (where moved.verdict <> 'resume'), '{}'),
    coalesce(array_agg(moved.id) filter (where moved.verdict = 'resume'), '{}')
  into settled, woken
  from moved;
end
$$;
