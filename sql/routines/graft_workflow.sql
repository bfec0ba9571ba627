-- Adds steps to a workflow from outside, `before` steps of it that have not begun: they then wait for the
-- new ones too. One that has ended, or has no open step left, is refused, as are steps that have begun.
-- Locks the jobs of `before` ascending by id, so that nobody releases them meanwhile, and then the row of
-- the workflow, which keeps it from ending and from being cancelled; waits for both. New steps whose
-- gate is to be looked at are owed to the sweep, which is called for.
create or replace function baton.graft_workflow(
  flow uuid, plan jsonb, before text[],
  out added text[], out kept text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  found_state text;
  bad record;
  graft record;
  targets bigint[] := array(
    select step.job_id from baton.workflow_steps as step
    where step.workflow_id = flow and step.step_name = any (before)
  );
begin
  perform from baton.jobs as job
  where job.id = any (targets)
  order by job.id
  for no key update;
  select workflow.state into found_state
  from baton.workflows as workflow where workflow.id = flow
  for no key update;
  if found_state is null then
    perform baton.refuse_graft('no workflow', flow::text);
  elsif found_state <> 'executing' or not exists (
    select from baton.workflow_steps as step where step.workflow_id = flow and step.outcome is null
  ) then
    perform baton.refuse_graft('finished', flow::text, found_state);
  end if;

  select wanted.name, coalesce(step.outcome, job.state)::text as state into bad
  from unnest(before) as wanted (name)
  left join baton.workflow_steps as step
    on step.workflow_id = flow and step.step_name = wanted.name
  left join baton.jobs as job on job.id = step.job_id
  where (step.outcome is null and step.parked_at is null and job.state = 'suspended') is not true
  limit 1;
  if bad.name is not null then
    perform baton.refuse_graft(
      case when bad.state is null then 'no step' else 'begun' end, bad.name, bad.state
    );
  end if;

  graft := baton.graft_steps(flow, 0, plan, false, targets);
  added := graft.added;
  kept := graft.kept;
  perform baton.owe_sweep(graft.unsure);
end
$$;
