-- Writes an amount of US dollars for people.
create or replace function baton.dollars(amount numeric) returns text
language sql immutable
as $$
  select '$' || case
    when scale(trim_scale(amount)) <= 2 then round(amount, 2)
    else trim_scale(amount)
  end
$$;
