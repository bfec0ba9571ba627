-- How the given steps ended, as the events that are published; those that have not ended are left out.
-- Locks nothing.
create or replace function baton.step_events(ids bigint[]) returns jsonb
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'event', 'workflow_step_updated',
      'workflow_id', step.workflow_id,
      'workflow_label', workflow.name,
      'step_name', step.step_name,
      'state', step.outcome,
      'skipped', step.skipped,
      'job_id', step.job_id,
      'worker', job.worker,
      'attempt', job.attempt,
      'has_result', step.result is not null,
      'error', left(step.cause, 500),
      'timestamp', step.finished_at
    )
    order by step.finished_at, step.job_id
  ), '[]')
  from baton.workflow_steps as step
  left join baton.workflows as workflow on workflow.id = step.workflow_id
  left join baton.jobs as job on job.id = step.job_id
  where step.job_id = any (ids) and step.outcome is not null
$$;
