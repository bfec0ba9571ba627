-- Adds the ends of the given steps to the progress of their workflows, where that is kept: most are
-- small enough to be counted when somebody looks. Only adds rows, so nobody waits. Locks nothing.
create or replace function baton.count_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  insert into baton.workflow_progress (workflow_id, completed, skipped, discarded, cancelled)
  select
    step.workflow_id,
    count(*) filter (where step.outcome = 'completed' and not step.skipped),
    count(*) filter (where step.skipped),
    count(*) filter (where step.outcome = 'discarded'),
    count(*) filter (where step.outcome = 'cancelled')
  from baton.workflow_steps as step
  join baton.workflows as workflow on workflow.id = step.workflow_id and workflow.counted
  where step.job_id = any (ids) and step.outcome is not null
  group by step.workflow_id;
end
$$;
