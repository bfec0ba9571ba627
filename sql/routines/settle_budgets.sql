-- Puts what budget_spending has into the rows of budgets, which the caller has locked, and begins a new day.
-- A budget may be set while others record usage that do not see it yet. Whoever records has the id of a
-- transaction before it looks for budgets, so those who can't have seen this one are older than the newest
-- when it is first met here, `blind_until`. Once they have ended, whatever was used is in
-- workflow_step_stats or, later, in budget_spending: one statement adds up the former and forgets what it
-- sees of the latter. Nobody has to wait for that; until then the sum is made anew each time.
create or replace function baton.settle_budgets(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  update baton.budgets as budget
  set blind_until = pg_snapshot_xmax(pg_current_snapshot())
  where budget.id = any (ids) and not budget.counted and budget.blind_until is null;

  with due as (
    select standing.id, standing.spent_cost, standing.spent_tokens
    from baton.budget_standing(array(
      select budget.id from baton.budgets as budget
      where budget.id = any (ids)
        and not budget.counted
        and budget.blind_until <= pg_snapshot_xmin(pg_current_snapshot())
    )) as standing
  ),
  forgotten as (
    delete from baton.budget_spending as part where part.budget_id in (select due.id from due)
  )
  update baton.budgets as budget
  set
    spent_cost = due.spent_cost,
    spent_tokens = due.spent_tokens,
    period_start = case
      when budget.queue is not null then date_trunc('day', clock_timestamp(), 'UTC')
    end,
    counted = true
  from due
  where budget.id = due.id;

  with part as (
    delete from baton.budget_spending as part
    where part.budget_id in (
      select budget.id from baton.budgets as budget where budget.id = any (ids) and budget.counted
    )
    returning part.budget_id, part.cost, part.tokens, part.spent_at
  ),
  today as (select date_trunc('day', clock_timestamp(), 'UTC') as began),
  told as (
    select
      budget.id,
      budget.queue is not null and budget.period_start < today.began as over,
      coalesce(sum(part.cost), 0) as cost,
      coalesce(sum(part.tokens), 0) as tokens
    from today
    join baton.budgets as budget on budget.id = any (ids) and budget.counted
    left join part
      on part.budget_id = budget.id and (budget.queue is null or part.spent_at >= today.began)
    group by budget.id, today.began
  )
  update baton.budgets as budget
  set
    spent_cost = case when told.over then 0 else budget.spent_cost end + told.cost,
    spent_tokens = case when told.over then 0 else budget.spent_tokens end + told.tokens,
    period_start = case when told.over then today.began else budget.period_start end
  from told
  cross join today
  where budget.id = told.id and (told.over or (told.cost, told.tokens) <> (0, 0));
end
$$;
