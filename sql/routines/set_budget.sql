-- Sets what a workflow, or a queue in a day, may spend on language models, and lets run what it held and
-- holds no more.
--   select baton.set_budget(null, 'llm', 20.00, null, 'hold');
-- What is not `given` (cost, tokens, on_exceeded; by default all of them are) stays as it is, so that raising
-- one limit doesn't lift the other. Returns null, and changes nothing, when nothing would be limited.
-- What was used before counts. Locks the row of the budget, and then what
-- sql/routines/release_held.sql locks; attempts of its workers wait for the end of the transaction.
create or replace function baton.set_budget(
  flow uuid, queue_name text, cost numeric, tokens bigint, exceeded text default 'hold',
  given text[] default '{cost,tokens,on_exceeded}'
) returns bigint
language plpgsql
as $$
declare
  standing baton.budgets;
  budget bigint;
begin
  loop
    select held.* into standing
    from baton.budgets as held
    where held.workflow_id = flow or held.queue = queue_name
    for no key update;
    if found then
      standing.max_cost := case when 'cost' = any (given) then cost else standing.max_cost end;
      standing.max_tokens := case when 'tokens' = any (given) then tokens else standing.max_tokens end;
      if standing.max_cost is null and standing.max_tokens is null then
        return null;
      end if;
      update baton.budgets as held
      set
        max_cost = standing.max_cost,
        max_tokens = standing.max_tokens,
        on_exceeded = case when 'on_exceeded' = any (given) then exceeded else held.on_exceeded end,
        updated_at = now()
      where held.id = standing.id
      returning held.id into budget;
    elsif cost is null and tokens is null then
      return null;
    else
      -- another may have set one since: then it is looked for again
      insert into baton.budgets as held (workflow_id, queue, max_cost, max_tokens, on_exceeded)
      values (
        flow, case when flow is null then queue_name end, cost, tokens, coalesce(exceeded, 'hold')
      )
      on conflict do nothing
      returning held.id into budget;
    end if;
    exit when budget is not null;
  end loop;
  perform baton.release_held(array[budget], true);
  return budget;
end
$$;
