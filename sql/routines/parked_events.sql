-- That the given steps wait for something outside their workflow, as the events that are published: a
-- step that is a workflow executes, the others are put off. Locks nothing.
create or replace function baton.parked_events(ids bigint[], out flows uuid[], out events text[])
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select
    coalesce(array_agg(parked.workflow_id), '{}'), coalesce(array_agg(parked.event), '{}')
  from (
    select
      step.workflow_id,
      baton.step_event(
        step.workflow_id, workflow.name, step.step_name,
        case step.kind when 'workflow' then 'executing' else 'snoozed' end, false, step.job_id,
        job.epoch, job.worker, job.attempt, false, null, step.parked_at
      ) as event
    from baton.workflow_steps as step
    left join baton.workflows as workflow on workflow.id = step.workflow_id
    left join baton.jobs as job on job.id = step.job_id
    where step.job_id = any (ids)
    order by step.job_id
  ) as parked
$$;
