-- Removes the budget of a workflow, or of a queue, and lets run what it held; false when there is none.
--   select baton.remove_budget(null, 'llm');
-- Locks what sql/routines/release_held.sql locks.
create or replace function baton.remove_budget(flow uuid, queue_name text) returns boolean
language plpgsql
as $$
declare
  budget bigint := (
    select held.id from baton.budgets as held where held.workflow_id = flow or held.queue = queue_name
  );
begin
  if budget is null then
    return false;
  end if;
  perform baton.release_held(array[budget], true, true);
  delete from baton.budget_reservations as each where each.budget_id = budget;
  delete from baton.budget_spending as each where each.budget_id = budget;
  delete from baton.budgets as held where held.id = budget;
  return found;
end
$$;
