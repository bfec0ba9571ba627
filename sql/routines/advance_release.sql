-- Does what a row of workflow_releases promises: advances the workflows of its steps and deletes it, or
-- puts it back for the sweep when somebody else held what was to be changed. Nothing is done, and
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
  owed baton.workflow_releases;
begin
  delete from baton.workflow_releases as kept
  where kept.id = (
    select free.id from baton.workflow_releases as free
    where free.id = release
    for update skip locked
  )
  returning kept.* into owed;
  if owed.id is null then
    released := '{}';
    flows := '{}';
    events := '{}';
    further_flows := '{}';
    further := '{}';
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
  select
    advance.released, advance.follow_up, advance.complete,
    advance.flows, advance.events, advance.further_flows, advance.further
  into released, follow_up, complete, flows, events, further_flows, further
  from baton.advance_workflows(owed.job_ids, not owed.announced, tell, aged) as advance;
  if not complete then
    insert into baton.workflow_releases (job_ids, announced, workflow_id, signal, inserted_at)
    values (owed.job_ids, true, owed.workflow_id, owed.signal, owed.inserted_at);
  end if;
end
$$;
