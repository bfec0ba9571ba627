-- Runs steps of a workflow again: the failed ones, those of the given names and everything after them,
-- or all; sql/routines/retry_plan.sql says which those are, and the same rows are returned.
--   select * from baton.retry_workflow('0f6c…', '{fetch}');
-- Locks the budgets of sub-workflows that are removed, ascending by id, as budgets come before jobs. Then
-- locks the jobs ascending by id in one statement, waiting for them, and plans again in a new
-- one, which sees what they became meanwhile. When that concerns more steps the locks are given back
-- and all are taken in order. The locks of the dependents that wait keep a cascade out that has seen the
-- ends that are taken back here; what it cancelled before is part of the new plan.
create or replace function baton.retry_workflow(
  flow uuid, names text[] default null, everything boolean default false
)
returns table (job_id bigint, workflow_id uuid, step_name text, was text, verdict text)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  known bigint[];
  doomed bigint[];
  planned record;
  again bigint[];
  removed bigint[];
begin
  select
    array_agg(plan.job_id), array_agg(plan.job_id) filter (where plan.verdict = 'removed')
  into known, doomed
  from baton.retry_plan(flow, names, everything) as plan;
  loop
    begin
      perform from baton.budgets as budget
      where budget.workflow_id in (
        select step.subworkflow_id from baton.workflow_steps as step
        where step.job_id = any (doomed) and step.subworkflow_id is not null
      )
      order by budget.id
      for update;
      perform from baton.jobs as job
      where job.id = any (known)
      order by job.id
      for no key update;
      select
        coalesce(array_agg(plan.job_id order by plan.job_id), '{}') as ids,
        array_agg(plan.workflow_id order by plan.job_id) as flows,
        array_agg(plan.step_name order by plan.job_id) as steps,
        array_agg(plan.was order by plan.job_id) as states,
        array_agg(plan.verdict order by plan.job_id) as verdicts
      into planned
      from baton.retry_plan(flow, names, everything) as plan;
      removed := array(
        select plan.id from unnest(planned.ids, planned.verdicts) as plan (id, verdict)
        where plan.verdict = 'removed'
      );
      if exists (select unnest(planned.ids) except select unnest(known))
        or exists (select unnest(removed) except select unnest(doomed))
      then
        raise exception 'more steps are concerned' using errcode = 'BA002';
      end if;
      exit;
    exception when sqlstate 'BA002' then
      known := planned.ids || known;
      doomed := removed || doomed;
    end;
  end loop;
  again := array(
    select plan.id from unnest(planned.ids, planned.verdicts) as plan (id, verdict)
    where plan.verdict = 'again'
  );
  perform baton.forget_steps(again || removed);  -- of all workflows in one order
  perform baton.remove_steps(removed);
  perform baton.restart_steps(again);
  return query
  select plan.*
  from unnest(planned.ids, planned.flows, planned.steps, planned.states, planned.verdicts)
    as plan (job_id, workflow_id, step_name, was, verdict)
  where plan.verdict <> 'waits'
  order by plan.job_id;
end
$$;
