-- Asks the budgets whether an attempt of a worker that calls language models may start: just before the
-- user's code is called, and in a transaction of its own. `verdict`:
--   admitted   it may; what it says that it costs at most, `own_cost` and `own_tokens`, is reserved for as
--              long as the job executes under this claim, however that ends
--   held       it may not: the job is given back, without the attempt, and waits. A step of a workflow whose
--              budget refuses is parked until that is raised; a job of a queue is scheduled for the next day.
--   cancelled  it may not, and its workflow was cancelled, as the budget says; `reason` is recorded
--   lost       the job is not executing under this claim any more
-- What refuses only because of what others that run may spend holds, whatever the budget says: they will
-- end, and sql/routines/release_held.sql sees to it then.
-- Without a budget that it counts to it writes nothing and locks nothing. Else the budgets are locked
-- ascending by id and the job after them, so that an attempt is refused before a budget is raised, and is seen
-- to wait, or asks after it. Who changes a budget in a long transaction is waited for half a second, no longer:
-- the caller asks again later, and the attempts behind it that count to other budgets go on.
create or replace function baton.admit_attempt(
  lease bigint, job_id bigint, epoch bigint, flow uuid, queue_name text,
  own_cost numeric, own_tokens bigint, announce boolean,
  out verdict text, out budget_id bigint, out reason text, out resumes_at timestamptz
)
language plpgsql
set lock_timeout = '500ms'
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  known bigint[] := array(select each.id from baton.budgets_over(flow, queue_name) as each (id));
  refusal record;
  finish record;
  told record;
  next_state baton.job_state;
begin
  verdict := 'admitted';
  if cardinality(known) = 0 then
    return;
  end if;
  known := array(  -- without those that were removed meanwhile
    select budget.id from baton.budgets as budget
    where budget.id = any (known)
    order by budget.id
    for no key update
  );
  perform from baton.jobs as job
  where job.id = admit_attempt.job_id
    and (job.state, job.epoch, job.attempted_by)
      is not distinct from ('executing', admit_attempt.epoch, admit_attempt.lease)
  for no key update;
  if not found then
    verdict := 'lost';
    return;
  end if;

  select
    standing.*,
    bool_or(standing.dirty) over () as unsettled,
    baton.budget_fits(
      standing.max_cost, standing.max_tokens, standing.spent_cost + standing.reserved_cost,
      standing.spent_tokens + standing.reserved_tokens, own_cost, own_tokens
    ) as fits,
    baton.budget_fits(
      standing.max_cost, standing.max_tokens, standing.spent_cost, standing.spent_tokens,
      own_cost, own_tokens
    ) as crowded
  into refusal
  from baton.budget_standing(known) as standing
  order by fits, crowded, standing.id
  limit 1;
  if refusal.unsettled then
    perform baton.settle_budgets(known);
  end if;

  if refusal.fits is not false then  -- null when all were removed
    delete from baton.budget_holds as hold where hold.job_id = admit_attempt.job_id;
    if own_cost > 0 or own_tokens > 0 then
      insert into baton.budget_reservations as mine (job_id, budget_id, epoch, lease, cost, tokens)
      select
        admit_attempt.job_id, each.id, admit_attempt.epoch, admit_attempt.lease,
        coalesce(own_cost, 0), coalesce(own_tokens, 0)
      from unnest(known) as each (id)
      on conflict on constraint budget_reservations_pkey do update
      set epoch = excluded.epoch, lease = excluded.lease, cost = excluded.cost, tokens = excluded.tokens;
    end if;
    return;
  end if;

  budget_id := refusal.id;
  reason := baton.budget_words(refusal.id);
  if refusal.on_exceeded = 'cancel' and not refusal.crowded then
    verdict := 'cancelled';
    if flow is null then
      perform baton.cancel_jobs(array[job_id], reason);
    else
      perform baton.cancel_workflow(coalesce(refusal.workflow_id, baton.outermost_workflow(flow)), reason);
    end if;
    return;
  end if;

  verdict := 'held';
  resumes_at := refusal.renews_at;
  next_state := case when refusal.queue is null then 'suspended' else 'scheduled' end;
  finish := baton.finish_jobs(
    lease, array[job_id], array[epoch], array[next_state],
    array[coalesce(extract(epoch from resumes_at - clock_timestamp()), 0)::double precision],
    array[true], array[null::text], array[null::text], array[flow is not null], null,
    array[case when refusal.queue is null then '{"seconds": null}' else '{}' end]
  );
  -- nothing that it waits for can have come meanwhile: the budget is locked
  delete from baton.workflow_releases as kept where kept.id = finish.release;
  insert into baton.budget_holds as hold (job_id, budget_id, epoch, cost, tokens, crowded)
  values (
    admit_attempt.job_id, refusal.id, admit_attempt.epoch, coalesce(own_cost, 0),
    coalesce(own_tokens, 0), refusal.crowded
  )
  on conflict on constraint budget_holds_pkey do update
  set
    budget_id = excluded.budget_id, epoch = excluded.epoch, cost = excluded.cost,
    tokens = excluded.tokens, crowded = excluded.crowded, held_at = excluded.held_at;
  if flow is not null and announce then
    told := baton.setback_events(
      lease, array[job_id], array[epoch], array[next_state], array[true], array[null::text],
      array[job_id]
    );
    perform baton.publish(told.flows, told.events);
  end if;
  -- there is room again in a queue with a limit for all processes
  perform baton.notify('baton.jobs', setting.name)
  from baton.queues as setting
  where setting.name = queue_name and setting.global_limit is not null;
end
$$;
