-- Whether the caller is to do a periodic duty now: true for one process at a time, and only when the
-- last run is `pause` seconds ago. The row stays locked until the caller's transaction ends. A row that
-- somebody deleted is there again the next time, and one of the future, as a clock that was set back
-- leaves it, does not keep the duty from being done.
create or replace function baton.take_duty(duty text, pause double precision) returns boolean
language plpgsql
as $$
declare
  due text;
begin
  select duties.name into due
  from baton.duties as duties
  where duties.name = duty
    and (
      duties.last_run_at <= clock_timestamp() - make_interval(secs => pause)
      or duties.last_run_at > clock_timestamp() + interval '1 minute'
    )
  for no key update skip locked;
  if due is null then
    if not exists (select from baton.duties as duties where duties.name = duty) then
      insert into baton.duties (name) values (duty) on conflict do nothing;
    end if;
    return false;
  end if;
  update baton.duties set last_run_at = clock_timestamp() where name = due;
  return true;
end
$$;
