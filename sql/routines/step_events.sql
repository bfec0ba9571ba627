-- How the given steps ended, as the events that are published, with the workflow of each; those that
-- have not ended are left out. Locks nothing.
create or replace function baton.step_events(ids bigint[], out flows uuid[], out events text[])
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select
    coalesce(array_agg(ended.workflow_id), '{}'), coalesce(array_agg(ended.event), '{}')
  from (
    select
      step.workflow_id,
      baton.step_event(
        step.workflow_id, workflow.name, step.step_name, step.outcome::text, step.skipped,
        step.job_id, job.epoch, job.worker, job.attempt, step.result is not null, step.cause,
        step.finished_at
      ) as event
    from baton.workflow_steps as step
    left join baton.workflows as workflow on workflow.id = step.workflow_id
    left join baton.jobs as job on job.id = step.job_id
    where step.job_id = any (ids) and step.outcome is not null
    order by step.finished_at, step.job_id
  ) as ended
$$;
