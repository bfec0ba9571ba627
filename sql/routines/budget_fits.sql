-- Whether an attempt may start when so much is spent or reserved: one that says what it costs at most when
-- that is left, any other one as long as anything is.
create or replace function baton.budget_fits(
  max_cost numeric, max_tokens bigint, taken_cost numeric, taken_tokens numeric,
  own_cost numeric, own_tokens numeric
) returns boolean
language sql immutable
as $$
  select
    (
      max_cost is null
      or case when own_cost > 0 then taken_cost + own_cost <= max_cost else taken_cost < max_cost end
    )
    and (
      max_tokens is null
      or case
        when own_tokens > 0 then taken_tokens + own_tokens <= max_tokens
        else taken_tokens < max_tokens
      end
    )
$$;
