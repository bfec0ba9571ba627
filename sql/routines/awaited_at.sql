-- When what a step waits for changed last: the end of a dependency or of its sub-workflow, its signal,
-- its time. Null when nothing has changed yet, or what changed is gone. Locks nothing.
create or replace function baton.awaited_at(step_id bigint) returns timestamptz
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select greatest(
    (
      select max(coalesce(parent.finished_at, parent.parked_at))
      from baton.workflow_edges as edge
      join baton.workflow_steps as parent on parent.job_id = edge.parent_id
      where edge.child_id = step_id
    ),
    (
      select greatest(least(wait.until, clock_timestamp()), signal.sent_at)
      from baton.workflow_waits as wait
      left join baton.workflow_signals as signal
        on signal.workflow_id = wait.workflow_id and signal.name = wait.signal
      where wait.job_id = step_id and wait.woken_at is null
    ),
    (
      select inner_flow.finished_at
      from baton.workflow_steps as step
      join baton.workflows as inner_flow on inner_flow.id = step.subworkflow_id
      where step.job_id = step_id
    )
  )
$$;
