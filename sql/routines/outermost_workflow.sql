-- The workflow that a workflow is a part of, however deep, or it itself. Locks nothing.
create or replace function baton.outermost_workflow(flow uuid) returns uuid
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  with recursive above (id, place) as (
    select flow, 0
    union all
    select holder.workflow_id, above.place + 1
    from above
    join baton.workflows as workflow on workflow.id = above.id
    join baton.workflow_steps as holder on holder.job_id = workflow.parent_job_id
    where above.place < 1000
  )
  select above.id from above order by above.place desc limit 1
$$;
