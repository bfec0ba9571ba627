-- Does what a row of workflow_releases promises: advances the workflows of its steps and deletes it, or
-- keeps it for the sweep when somebody else held what was to be changed. Nothing is done, and
-- `complete` is null, when the row is gone, is not committed yet, or is in other hands.
create or replace function baton.advance_release(
  release bigint, announce boolean, aged boolean default false,
  out released bigint[], out follow_up bigint, out notices jsonb, out complete boolean
)
language plpgsql
as $$
declare
  owed record;
  advance record;
begin
  released := '{}';
  notices := '[]';
  select kept.job_ids, kept.announced into owed
  from baton.workflow_releases as kept
  where kept.id = release
  for update skip locked;
  if not found then
    return;
  end if;
  advance := baton.advance_workflows(owed.job_ids, not owed.announced, announce, aged);
  released := advance.released;
  follow_up := advance.follow_up;
  notices := advance.notices;
  complete := advance.complete;
  if complete then
    delete from baton.workflow_releases as kept where kept.id = release;
  elsif not owed.announced then
    update baton.workflow_releases as kept set announced = true where kept.id = release;
  end if;
end
$$;
