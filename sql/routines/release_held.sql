-- Lets jobs run that budgets held and that fit now, the ones that have waited longest first; each asks its
-- budgets again. `everything` lets all of them run: the budgets are about to be removed. Reservations of
-- attempts that have ended are deleted here, and nowhere else: they are how a look finds that something
-- may have become free.
-- Locks the budgets ascending by id, passing over those that others hold unless `patient`, then the jobs
-- that are scheduled, ascending by id, waiting for them. A parked step is not locked: the end of its wait
-- is set to now, and the timekeepers, who are called, do the rest.
create or replace function baton.release_held(
  ids bigint[], patient boolean, everything boolean default false
) returns bigint
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  locked bigint[];
  standing record;
  hold record;
  cost numeric;
  tokens numeric;
  alone boolean;
  freed bigint[] := '{}';
begin
  if patient then
    perform from baton.budgets as budget where budget.id = any (ids) order by budget.id for no key update;
    locked := ids;
  else
    locked := array(
      select budget.id from baton.budgets as budget
      where budget.id = any (ids)
      order by budget.id
      for no key update skip locked
    );
  end if;
  -- of a budget that went with its workflow
  delete from baton.budget_reservations as each
  where each.budget_id = any (ids)
    and not exists (select from baton.budgets as budget where budget.id = each.budget_id);
  delete from baton.budget_reservations as each
  where each.budget_id = any (locked)
    and not exists (
      select from baton.jobs as job
      where job.id = each.job_id
        and job.state = 'executing' and job.epoch = each.epoch and job.attempted_by = each.lease
    );
  delete from baton.budget_holds as each
  where each.budget_id = any (locked)
    and not exists (
      select from baton.jobs as job
      where job.id = each.job_id
        and job.epoch = each.epoch
        and (
          job.state = 'scheduled'
          or job.state = 'suspended' and exists (
            select from baton.workflow_waits as wait
            where wait.job_id = job.id and wait.woken_at is null
          )
        )
    );

  for standing in select * from baton.budget_standing(locked) loop
    cost := standing.spent_cost + standing.reserved_cost;
    tokens := standing.spent_tokens + standing.reserved_tokens;
    for hold in
      select * from baton.budget_holds as each
      where each.budget_id = standing.id
      order by each.held_at, each.job_id
    loop
      alone := baton.budget_fits(
        standing.max_cost, standing.max_tokens, standing.spent_cost, standing.spent_tokens,
        hold.cost, hold.tokens
      );
      if everything
        or baton.budget_fits(
          standing.max_cost, standing.max_tokens, cost, tokens, hold.cost, hold.tokens
        )
        -- it asks again, and is told so
        or standing.on_exceeded = 'cancel' and not alone
      then
        freed := freed || hold.job_id;
        cost := cost + hold.cost;
        tokens := tokens + hold.tokens;
      elsif hold.crowded <> alone then
        update baton.budget_holds as each set crowded = alone where each.job_id = hold.job_id;
      end if;
    end loop;
  end loop;
  if cardinality(freed) = 0 then
    return 0;
  end if;

  update baton.workflow_waits as wait
  set until = clock_timestamp()
  where wait.job_id = any (freed) and wait.woken_at is null;
  perform from baton.jobs as job
  where job.id = any (freed) and job.state = 'scheduled'
  order by job.id
  for no key update;
  update baton.jobs as job
  set scheduled_at = clock_timestamp()
  where job.id = any (freed)
    and job.state = 'scheduled'
    and exists (
      select from baton.budget_holds as each where each.job_id = job.id and each.epoch = job.epoch
    );
  delete from baton.budget_holds as each where each.job_id = any (freed);
  perform baton.notify('baton.control', 'due');
  return cardinality(freed);
end
$$;
