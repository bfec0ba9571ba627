-- What follows from the end of the given steps: cancel what they poison, release what they make
-- ready, finish the workflows that are done. Must run in a transaction that began after theirs
-- committed ("commit, then check"): a check inside theirs loses the wake-up when two last
-- dependencies end together. Idempotent.
create or replace function baton.advance_workflows(
  ids bigint[], out released bigint[], out finished uuid[], out complete boolean
)
language plpgsql
as $$
declare
  cascade record;
  release record;
  finish record;
begin
  complete := true;
  -- only a bad end, or a step that waits itself, can poison
  if exists (
    select from baton.workflow_steps as step
    where step.job_id = any (ids) and step.outcome is distinct from 'completed'
  ) then
    cascade := baton.cancel_poisoned_steps(ids);
    ids := ids || cascade.cancelled;
    complete := cascade.complete;
  end if;
  release := baton.release_steps(ids);
  finish := baton.finish_workflows(ids);
  released := release.released;
  finished := finish.finished;
  complete := complete and release.complete and finish.complete;
end
$$;
