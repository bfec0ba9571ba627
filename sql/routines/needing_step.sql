-- The first of the steps to be grafted that waits for the given step of the workflow.
create or replace function baton.needing_step(plan jsonb, name text) returns text
language sql immutable
as $$
  select step.value ->> 'name'
  from jsonb_array_elements(plan -> 'needs') as need (value)
  join jsonb_array_elements(plan -> 'steps') as step (value)
    on step.value ->> 'ordinal' = need.value ->> 0
  where need.value ->> 1 = needing_step.name
  limit 1
$$;
