-- Writes down what attempts used of language models: the sums so far, so that saying it twice is saying it
-- once. A statement that a broken connection left behind may come later than what was said after it,
-- with smaller sums: then the larger ones stay. Nobody but the process of an attempt and the
-- child that performs it write its rows, the process after the jobs of a cycle, so nothing is waited for but
-- such a statement, in the same order.
-- What a row grew by is added to the budgets that it counts to, if there are any, as rows of their own, so
-- that no budget is waited for either. They are looked for in a statement of its own, after this transaction
-- has its id: sql/routines/settle_budgets.sql relies on it.
create or replace function baton.record_usage(usage jsonb)
returns void
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
declare
  grown jsonb;
begin
  with written as (
    insert into baton.workflow_step_stats as stat (
      job_id, epoch, lease, ordinal, attempt, workflow_id, step_name, queue, worker, model, provider,
      calls, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost,
      prices, state, duration_ms
    )
    select
      used.job_id, used.epoch, used.lease, used.ordinal, used.attempt, used.workflow_id,
      used.step_name, used.queue, used.worker, used.model, used.provider, used.calls,
      used.input_tokens, used.output_tokens, used.cached_tokens, used.cache_write_tokens,
      used.reasoning_tokens, used.cost, used.prices, used.state, used.duration_ms
    from jsonb_populate_recordset(null::baton.workflow_step_stats, usage) as used
    order by used.job_id, used.epoch, used.lease, used.ordinal
    on conflict (job_id, epoch, lease, ordinal) do update
    set
      model = excluded.model,
      provider = excluded.provider,
      calls = excluded.calls,
      input_tokens = excluded.input_tokens,
      output_tokens = excluded.output_tokens,
      cached_tokens = excluded.cached_tokens,
      cache_write_tokens = excluded.cache_write_tokens,
      reasoning_tokens = excluded.reasoning_tokens,
      cost = excluded.cost,
      cost_before = coalesce(stat.cost, 0),
      tokens_before = stat.input_tokens::numeric + stat.output_tokens,
      prices = excluded.prices,
      state = coalesce(excluded.state, stat.state),
      duration_ms = coalesce(excluded.duration_ms, stat.duration_ms)
    where (excluded.calls, excluded.input_tokens::numeric + excluded.output_tokens)
      >= (stat.calls, stat.input_tokens::numeric + stat.output_tokens)
    returning
      stat.workflow_id as flow, stat.queue, stat.inserted_at as at,
      coalesce(stat.cost, 0) - stat.cost_before as cost,
      stat.input_tokens::numeric + stat.output_tokens - stat.tokens_before as tokens
  )
  select jsonb_agg(written) into grown from written where (written.cost, written.tokens) <> (0, 0);

  if grown is not null and exists (select from baton.budgets) then
    insert into baton.budget_spending (budget_id, cost, tokens, spent_at)
    select budget.id, sum(each.cost), sum(each.tokens), each.at
    from jsonb_to_recordset(grown) as each (
      flow uuid, queue text, at timestamptz, cost numeric, tokens numeric
    )
    cross join lateral baton.budgets_over(each.flow, each.queue) as budget (id)
    group by budget.id, each.at;
  end if;
end
$$;
