-- Lets a step that has not completed count as completed, with the given result, without running. What
-- runs is fenced and told to stop, the open steps of a sub-workflow that it is are cancelled, dependents
-- go on, and those that were cancelled because of it wait again; its workflow executes again.
--   select baton.skip_step('0f6c…', 'approve', '{"by": "ann"}', 'said on the phone');
-- Returns the state that it was in; nothing was done if that is completed, or null, for no such step.
-- Locks the jobs that are concerned ascending by id in one statement, waiting for them, and looks again
-- in a new one; when that concerns more, the locks are given back and all are taken in order. Then the
-- row of the step, whose job may be gone, and the workflows, ascending by id. A sub-workflow is looked
-- into once more under these locks, as in sql/routines/cancel_workflow.sql: somebody may have been adding
-- steps from outside, and whoever comes later is refused.
create or replace function baton.skip_step(
  flow uuid, step_name text, result jsonb default null, reason text default null
)
returns text
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  chosen record;
  told bigint;
  known bigint[];
  concerned bigint[];
  woken bigint[];
  inside bigint[];
  told_reason text := coalesce(nullif(left(btrim(reason), 4000), ''), 'skipped on request');
begin
  loop
    begin
      perform from baton.jobs as job
      where job.id = any (known)
      order by job.id
      for no key update;
      select
        step.job_id as id,
        step.subworkflow_id,
        coalesce(step.outcome, job.state, 'cancelled')::text as was
      into chosen
      from baton.workflow_steps as step
      left join baton.jobs as job on job.id = step.job_id
      where step.workflow_id = flow and step.step_name = skip_step.step_name;
      if chosen.id is null or chosen.was = 'completed' then
        return chosen.was;
      end if;
      select
        array_agg(reached.job_id),
        array_agg(reached.job_id) filter (where reached.again and reached.job_id <> chosen.id)
      into concerned, woken
      from baton.retried_steps(array[chosen.id], 'woken') as reached;
      inside := array(
        select part.id
        from baton.open_steps(chosen.subworkflow_id) as part (id)
        where chosen.subworkflow_id is not null
      );
      if exists (select unnest(concerned || inside) except select unnest(known)) then
        raise exception 'more steps are concerned' using errcode = 'BA002';
      end if;
      perform from baton.workflow_steps as step where step.job_id = chosen.id for no key update;
      exit when chosen.subworkflow_id is null;
      perform from baton.workflows as workflow
      where workflow.id = any (array(
        select baton.workflow_family(chosen.subworkflow_id)
        union
        select step.workflow_id from baton.workflow_steps as step
        where step.job_id = any (chosen.id || woken)
      ))
      order by workflow.id
      for no key update;
      inside := array(select baton.open_steps(chosen.subworkflow_id));
      if exists (select unnest(inside) except select unnest(known)) then
        raise exception 'a step was added' using errcode = 'BA002';
      end if;
      exit;
    exception when sqlstate 'BA002' then
      known := known || concerned || inside;
    end;
  end loop;

  perform baton.forget_steps(chosen.id || woken);
  update baton.workflow_steps as step
  set
    outcome = 'completed',
    cause = told_reason,
    result = skip_step.result,
    finished_at = clock_timestamp()
  where step.job_id = chosen.id;
  with ended as (
    update baton.jobs as job
    set
      state = 'completed',
      completed_at = clock_timestamp(),
      discarded_at = null,
      cancelled_at = null,
      unique_key = case when 'completed' = any (job.unique_states) then job.unique_key end
    where job.id = chosen.id
    returning job.id, job.queue
  )
  select count(baton.notify(word.channel, word.payload)) into told
  from ended
  cross join lateral (
    values ('baton.control', 'cancel ' || ended.id), ('baton.jobs', ended.queue)
  ) as word (channel, payload)
  where chosen.was = 'executing';
  perform baton.restart_steps(woken);
  perform from baton.cancel_jobs(inside, format('step %s was skipped', skip_step.step_name));
  -- old enough for the very next sweep, which is called for
  insert into baton.workflow_releases (job_ids, inserted_at)
  values (array[chosen.id], '-infinity');
  perform baton.notify('baton.control', 'sweep');
  return chosen.was;
end
$$;
