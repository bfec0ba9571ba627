-- Takes steps that were added while their workflows ran out of them again, with their jobs and with the
-- sub-workflows that they are, and the budgets of these: what added them runs anew, and adds what it finds
-- then. What runs is told to stop. Given are the parts of those sub-workflows too. The caller holds the
-- locks of the budgets and of their jobs; the workflows are locked here, ascending by id.
create or replace function baton.remove_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  told bigint;
begin
  if coalesce(cardinality(ids), 0) = 0 then
    return;
  end if;
  perform baton.forget_steps(ids);
  insert into baton.workflow_progress (workflow_id, added)
  select step.workflow_id, -count(*)
  from baton.workflow_steps as step
  join baton.workflows as workflow on workflow.id = step.workflow_id and workflow.counted
  where step.job_id = any (ids)
  group by step.workflow_id;
  with inner_flow as (
    delete from baton.workflows as workflow
    where workflow.id in (
      select step.subworkflow_id from baton.workflow_steps as step
      where step.job_id = any (ids) and step.subworkflow_id is not null
    )
    returning workflow.id
  ),
  said as (
    delete from baton.workflow_signals as signal
    where signal.workflow_id in (select inner_flow.id from inner_flow)
  ),
  budget as (
    delete from baton.budgets as budget
    where budget.workflow_id in (select inner_flow.id from inner_flow)
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
  delete from baton.workflow_progress as part
  where part.workflow_id in (select inner_flow.id from inner_flow);
  delete from baton.workflow_edges as edge where edge.parent_id = any (ids);
  delete from baton.workflow_edges as edge where edge.child_id = any (ids);
  delete from baton.workflow_steps as step where step.job_id = any (ids);
  with gone as (
    delete from baton.jobs as job where job.id = any (ids)
    returning job.id, job.state, job.queue
  )
  select
    (
      -- a payload has at most 8,000 bytes; without ids everybody looks at all that they run
      select count(baton.notify('baton.control', case
        when length(running.list) < 7900 then 'cancel ' || running.list else 'cancel'
      end))
      from (
        select string_agg(gone.id::text, ' ' order by gone.id) as list
        from gone where gone.state = 'executing'
      ) as running
      where running.list is not null
    )
    + (
      select count(baton.notify('baton.jobs', freed.queue))
      from (select distinct gone.queue from gone where gone.state = 'executing') as freed
    )
  into told;
end
$$;
