-- A time as every language can read it, where it is told as JSON: somebody may have set one to infinity,
-- or to the year 200000, and it is shown as the first or the last there is.
create or replace function baton.readable_time(at timestamptz) returns timestamptz
language sql immutable parallel safe
as $$
  select case
    when at < '0001-01-03 00:00+00' then '0001-01-03 00:00+00'
    when at > '9999-12-29 00:00+00' then '9999-12-29 00:00+00'
    else at
  end
$$;
