-- Finishes what a crash, or a lock that was held, left between the two halves of a cycle, and what
-- people did to workflows: advances the workflows of the oldest rows of workflow_releases that are at
-- least `age` seconds old. What follows from that in turn is left for the next sweep, which sees it
-- committed; `unfinished` asks for that one at once. Locks those rows first, skipping what others hold.
-- What is refused for one row is undone by itself and tried again half a minute later, or else that row
-- would hold up the whole system; only what may succeed at once, or what stops the session, ends the sweep.
-- `notices` are the events of all that; they are published if `announce` says so.
create or replace function baton.sweep_releases(
  age double precision, pause double precision, most integer, announce boolean default true,
  out swept bigint, out released bigint, out notices text[], out unfinished boolean
)
language plpgsql
as $$
declare
  owed bigint;
  advance record;
  flows uuid[] := '{}';
begin
  swept := 0;
  released := 0;
  notices := '{}';
  unfinished := false;
  if not baton.take_duty('sweep', pause) then
    return;
  end if;
  for owed in
    select kept.id from baton.workflow_releases as kept
    where kept.inserted_at <= clock_timestamp() - make_interval(secs => age)
    order by kept.id
    limit most
  loop
    begin
      advance := baton.advance_release(owed, true, aged => true);
    exception
      when operator_intervention or transaction_rollback or lock_not_available then
        raise;
      when others then
        perform baton.postpone_release(owed, sqlerrm);
        continue;
    end;
    continue when advance.complete is null;
    released := released + cardinality(advance.released);
    flows := flows || advance.flows || advance.further_flows;
    notices := notices || advance.events || advance.further;
    unfinished := unfinished or advance.follow_up is not null;
    perform baton.notify('baton.jobs', freed.queue)
    from (
      select distinct job.queue from baton.jobs as job
      where job.id = any (advance.released) and job.state = 'available'
    ) as freed;
    swept := swept + advance.complete::integer;
  end loop;
  unfinished := unfinished or swept = most;
  if announce then
    perform baton.publish(flows, notices);
  end if;
end
$$;
