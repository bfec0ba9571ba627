-- Does what a row of workflow_releases promises: advances the workflows of its steps and deletes it, or
-- keeps it for the sweep when somebody else held what was to be changed. Nothing is done, and
-- `complete` is null, when the row is gone, is not committed yet, or is in other hands.
-- `events` and `further` are what sql/routines/advance_workflows.sql says; the caller publishes them in
-- this transaction, since the row is not to be announced again.
create or replace function baton.advance_release(
  release bigint, tell boolean, aged boolean default false,
  out released bigint[], out follow_up bigint, out complete boolean,
  out flows uuid[], out events text[], out further_flows uuid[], out further text[]
)
language plpgsql
as $$
declare
  owed record;
  advance record;
begin
  released := '{}';
  flows := '{}';
  events := '{}';
  further_flows := '{}';
  further := '{}';
  select kept.job_ids, kept.announced, kept.workflow_id, kept.signal into owed
  from baton.workflow_releases as kept
  where kept.id = release
  for update skip locked;
  if not found then
    return;
  end if;
  if owed.signal is not null then
    -- not before: a step may have begun to wait while the signal was not committed yet
    owed.job_ids := owed.job_ids || array(
      select wait.job_id from baton.workflow_waits as wait
      where wait.workflow_id = owed.workflow_id
        and wait.signal = owed.signal
        and wait.woken_at is null
    );
  end if;
  advance := baton.advance_workflows(owed.job_ids, not owed.announced, tell, aged);
  released := advance.released;
  follow_up := advance.follow_up;
  flows := advance.flows;
  events := advance.events;
  further_flows := advance.further_flows;
  further := advance.further;
  complete := advance.complete;
  if complete then
    delete from baton.workflow_releases as kept where kept.id = release;
  elsif not owed.announced then
    update baton.workflow_releases as kept set announced = true where kept.id = release;
  end if;
end
$$;
