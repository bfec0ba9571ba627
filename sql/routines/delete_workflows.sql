-- Deletes finished workflows whose jobs are gone with everything that belongs to them, at most `most` rows
-- of each table: `pruned` says how many of which, `rest` are the workflows of which something is left.
-- The row of a workflow goes last, and a step after what hangs on it, so that what is left can still
-- be found. Locks the workflows ascending by id; leaves those alone that somebody else holds, that
-- are executing or that are gone.
create or replace function baton.delete_workflows(
  ids uuid[], most integer, out pruned jsonb, out rest uuid[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  locked uuid[];
  steps bigint[];
  emptied uuid[];
  counts record;
begin
  locked := array(
    select workflow.id from baton.workflows as workflow
    where workflow.id = any (ids) and workflow.state <> 'executing'
    order by workflow.id
    for update skip locked
  );
  steps := array(
    select step.job_id from baton.workflow_steps as step
    where step.workflow_id = any (locked)
      and not exists (select from baton.jobs as job where job.id = step.job_id)
    limit most
  );

  with log as (
    delete from baton.workflow_debug_logs as log
    where log.ctid = any (array(
      select each.ctid from baton.workflow_debug_logs as each where each.job_id = any (steps) limit most
    ))
    returning 1
  ),
  stat as (
    delete from baton.workflow_step_stats as stat
    where stat.ctid = any (array(
      select each.ctid from baton.workflow_step_stats as each where each.job_id = any (steps) limit most
    ))
    returning 1
  ),
  edge as (
    delete from baton.workflow_edges as edge
    where edge.ctid = any (array(
      select each.ctid from baton.workflow_edges as each where each.child_id = any (steps) limit most
    ))
    returning 1
  )
  select
    (select count(*) from log) as workflow_debug_logs,
    (select count(*) from stat) as workflow_step_stats,
    (select count(*) from edge) as workflow_edges
  into counts;
  pruned := to_jsonb(counts);

  with gone as (
    delete from baton.workflow_steps as step
    where step.job_id = any (steps)
      and not exists (select from baton.workflow_edges as edge where edge.child_id = step.job_id)
      and not exists (select from baton.workflow_step_stats as stat where stat.job_id = step.job_id)
      and not exists (select from baton.workflow_debug_logs as log where log.job_id = step.job_id)
    returning step.job_id
  ),
  wait as (
    delete from baton.workflow_waits as wait
    where wait.job_id in (select gone.job_id from gone)
    returning 1
  ),
  called as (
    delete from baton.workflow_callbacks as called
    where called.job_id in (select gone.job_id from gone)
    returning 1
  )
  select
    (select count(*) from gone) as workflow_steps,
    (select count(*) from wait) as workflow_waits,
    (select count(*) from called) as workflow_callbacks
  into counts;
  pruned := pruned || to_jsonb(counts);

  emptied := array(
    select flow.id from unnest(locked) as flow (id)
    where not exists (select from baton.workflow_steps as step where step.workflow_id = flow.id)
  );
  with signal as (
    delete from baton.workflow_signals as signal
    where signal.ctid = any (array(
      select each.ctid from baton.workflow_signals as each
      where each.workflow_id = any (emptied) limit most
    ))
    returning 1
  ),
  progress as (
    delete from baton.workflow_progress as part
    where part.ctid = any (array(
      select each.ctid from baton.workflow_progress as each
      where each.workflow_id = any (emptied) limit most
    ))
    returning 1
  )
  select
    (select count(*) from signal) as workflow_signals,
    (select count(*) from progress) as workflow_progress
  into counts;
  pruned := pruned || to_jsonb(counts);

  with flow as (
    delete from baton.workflows as workflow
    where workflow.id = any (array(
      select each.id from unnest(emptied) as each (id)
      where not exists (select from baton.workflow_signals as signal where signal.workflow_id = each.id)
        and not exists (select from baton.workflow_progress as part where part.workflow_id = each.id)
      limit most
    ))
    returning workflow.id
  ),
  completion as (
    delete from baton.workflow_completions as completion
    where completion.workflow_id in (select flow.id from flow)
    returning 1
  ),
  budget as (
    delete from baton.budgets as budget
    where budget.workflow_id in (select flow.id from flow)
    returning budget.id
  ),
  spending as (
    delete from baton.budget_spending as part where part.budget_id in (select budget.id from budget)
  ),
  reservation as (
    delete from baton.budget_reservations as each where each.budget_id in (select budget.id from budget)
  ),
  hold as (
    delete from baton.budget_holds as each where each.budget_id in (select budget.id from budget)
  )
  select
    (select count(*) from flow) as workflows,
    (select count(*) from completion) as workflow_completions
  into counts;
  pruned := pruned || to_jsonb(counts);
  rest := array(
    select workflow.id from baton.workflows as workflow where workflow.id = any (locked)
  );
end
$$;
