-- The budgets that an attempt counts to: of its workflow, of those that this one is a step of, and so on up,
-- and of its queue. Locks nothing.
create or replace function baton.budgets_over(flow uuid, queue_name text) returns setof bigint
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  with recursive above (id) as (
    select flow where flow is not null
    union
    select holder.workflow_id
    from above
    join baton.workflows as workflow on workflow.id = above.id
    join baton.workflow_steps as holder on holder.job_id = workflow.parent_job_id
  )
  select budget.id from above join baton.budgets as budget on budget.workflow_id = above.id
  union all
  select budget.id from baton.budgets as budget where budget.queue = queue_name;
end
$$;
