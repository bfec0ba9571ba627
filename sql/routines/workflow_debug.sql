-- Whether the steps of a workflow capture what they send and receive: what the step that grafts says, or
-- else the first one. Null for no. Locks nothing.
create or replace function baton.workflow_debug(flow uuid, grafter bigint) returns jsonb
language sql stable
as $$
  select job.meta -> 'workflow_debug'
  from baton.jobs as job
  where job.id = coalesce(nullif(grafter, 0), (
    select step.job_id from baton.workflow_steps as step
    where step.workflow_id = flow
    order by step.job_id
    limit 1
  ))
$$;
