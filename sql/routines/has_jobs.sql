-- Whether a step of a workflow has still got its job. Looks at the newest first, which is pruned last.
-- Locks nothing.
create or replace function baton.has_jobs(flow uuid) returns boolean
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select (
    select step.job_id
    from baton.workflow_steps as step
    join baton.jobs as job on job.id = step.job_id
    where step.workflow_id = flow
    order by step.job_id desc
    limit 1
  ) is not null
$$;
