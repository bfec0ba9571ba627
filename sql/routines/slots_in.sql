-- How many jobs at once a number that stands in the column `queues` of a lease says; 0 when what stands
-- there is none, because somebody edited the row.
create or replace function baton.slots_in(slots jsonb) returns integer
language sql immutable parallel safe
as $$
  select case
    when jsonb_typeof(slots) = 'number' and slots::numeric between 0 and 10000 then slots::integer
    else 0
  end
$$;
