-- Whether the caller is to do a periodic duty now: true for one process at a time, and only when the
-- last run is `pause` seconds ago. The row stays locked until the caller's transaction ends.
create or replace function baton.take_duty(duty text, pause double precision) returns boolean
language plpgsql
as $$
declare
  due text;
begin
  select duties.name into due
  from baton.duties as duties
  where duties.name = duty
    and duties.last_run_at <= clock_timestamp() - make_interval(secs => pause)
  for no key update skip locked;
  if due is null then
    return false;
  end if;
  update baton.duties set last_run_at = clock_timestamp() where name = due;
  return true;
end
$$;
