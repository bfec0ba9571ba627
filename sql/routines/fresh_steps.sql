-- Which steps of a graft are new, by ordinal: all but those that are there already, and what is part of
-- those. Locks nothing.
create or replace function baton.fresh_steps(plan jsonb, kept text[]) returns integer[]
language sql immutable
as $$
  select array(
    select (step.value ->> 'ordinal')::integer
    from jsonb_array_elements(plan -> 'steps') as step (value)
    where kept = '{}'
      or (step.value ->> 'top')::integer not in (
        select (old.value ->> 'ordinal')::integer
        from jsonb_array_elements(plan -> 'steps') as old (value)
        where old.value ->> 'inside' is null and old.value ->> 'name' = any (kept)
      )
    order by 1
  )
$$;
