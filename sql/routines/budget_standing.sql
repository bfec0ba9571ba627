-- How budgets stand: what was spent, and what attempts that run may spend beyond what they have spent
-- already. All of it is one statement: what an attempt spends leaves its reservation in the same snapshot
-- in which it is spent. What was used before a budget was set is read from workflow_step_stats until
-- sql/routines/settle_budgets.sql has counted it. Of a queue, what counts is this day, as UTC has it.
-- `dead` are reservations whose attempts have ended, which count for nothing; `dirty` says whether there is
-- something to settle. Locks nothing.
create or replace function baton.budget_standing(ids bigint[])
returns table (
  id bigint, workflow_id uuid, queue text, max_cost numeric, max_tokens bigint, on_exceeded text,
  spent_cost numeric, spent_tokens numeric, reserved_cost numeric, reserved_tokens numeric,
  renews_at timestamptz, dead bigint, dirty boolean
)
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
begin
  return query
  select
    budget.id, budget.workflow_id, budget.queue, budget.max_cost, budget.max_tokens, budget.on_exceeded,
    case
      when not budget.counted then flow.cost + day.cost
      when budget.queue is null or budget.period_start >= today.began then budget.spent_cost + told.cost
      else told.cost
    end,
    case
      when not budget.counted then flow.tokens + day.tokens
      when budget.queue is null or budget.period_start >= today.began
        then budget.spent_tokens + told.tokens
      else told.tokens
    end,
    reserved.cost, reserved.tokens,
    case when budget.queue is not null then today.began + interval '24 hours' end,
    reserved.dead,
    not budget.counted or told.portions >= 100
  from unnest(ids) as asked (id)
  cross join lateral (
    select * from baton.budgets as each where each.id = asked.id limit 1
  ) as budget
  cross join (select date_trunc('day', clock_timestamp(), 'UTC') as began) as today
  cross join lateral (
    select
      coalesce(sum(part.cost), 0) as cost, coalesce(sum(part.tokens), 0) as tokens,
      count(*) as portions
    from baton.budget_spending as part
    where part.budget_id = budget.id and (budget.queue is null or part.spent_at >= today.began)
  ) as told
  cross join lateral (
    select
      coalesce(sum(stat.cost), 0) as cost,
      coalesce(sum(stat.input_tokens::numeric + stat.output_tokens), 0) as tokens
    from baton.workflow_family(budget.workflow_id) as family (id)
    join baton.workflow_step_stats as stat on stat.workflow_id = family.id
    where not budget.counted and budget.workflow_id is not null
  ) as flow
  cross join lateral (
    select
      coalesce(sum(stat.cost), 0) as cost,
      coalesce(sum(stat.input_tokens::numeric + stat.output_tokens), 0) as tokens
    from baton.workflow_step_stats as stat
    where not budget.counted and stat.queue = budget.queue and stat.inserted_at >= today.began
  ) as day
  cross join lateral (
    select
      coalesce(sum(greatest(each.cost - used.cost, 0)) filter (where job.id is not null), 0) as cost,
      coalesce(sum(greatest(each.tokens - used.tokens, 0)) filter (where job.id is not null), 0) as tokens,
      count(*) filter (where job.id is null) as dead
    from baton.budget_reservations as each
    left join baton.jobs as job
      on job.id = each.job_id
      and job.state = 'executing' and job.epoch = each.epoch and job.attempted_by = each.lease
    cross join lateral (
      select
        coalesce(sum(stat.cost), 0) as cost,
        coalesce(sum(stat.input_tokens::numeric + stat.output_tokens), 0) as tokens
      from baton.workflow_step_stats as stat
      where stat.job_id = each.job_id and stat.epoch = each.epoch and stat.lease = each.lease
    ) as used
    where each.budget_id = budget.id
  ) as reserved;
end
$$;
