-- What follows from the end of the given steps: cancel what they poison, open the gates that they
-- kept closed, settle what waits for them, finish the workflows that are done. Must run in a transaction
-- that began after theirs committed ("commit, then check"): a check inside theirs loses the wake-up
-- when two last dependencies end together. For the same reason the steps that end here are not
-- followed here: their ids go into a row of workflow_releases, `follow_up`, which is advanced after this
-- transaction has committed, by its caller or by the sweep. Idempotent.
-- When the ends of the given steps are `news` they are counted and, if they are to be told, returned
-- as `events`, with the workflow of each in `flows`; `further` are the events of what began and ended
-- here. The caller publishes them in this transaction.
create or replace function baton.advance_workflows(
  ids bigint[], news boolean default true, tell boolean default true, aged boolean default false,
  out released bigint[], out finished uuid[], out follow_up bigint, out complete boolean,
  out flows uuid[], out events text[], out further_flows uuid[], out further text[]
)
language plpgsql
as $$
declare
  step record;
  finish record;
  told record;
  cancelled bigint[] := '{}';
  settled bigint[] := '{}';
  woken bigint[] := '{}';
  spared bigint[] := '{}';
  ended bigint[];
begin
  complete := true;
  flows := '{}';
  events := '{}';
  further_flows := '{}';
  further := '{}';
  if news then
    perform baton.count_steps(ids);
    if tell then
      told := baton.step_events(ids);
      flows := told.flows;
      events := told.events;
    end if;
  end if;

  -- only a bad end, a step that waits itself, or a sub-workflow that does not start can poison
  if exists (
    select from baton.workflow_steps as given
    where given.job_id = any (ids)
      and (
        given.outcome is distinct from 'completed'
        or given.skipped and given.subworkflow_id is not null
      )
  ) then
    step := baton.cancel_poisoned_steps(ids);
    cancelled := step.cancelled;
    complete := step.complete;
    step := baton.end_subworkflows(ids);
    spared := step.skipped;
    complete := complete and step.complete;
    step := baton.settle_waits(ids);
    settled := step.settled;
    woken := step.woken;
    complete := complete and step.complete;
  end if;

  step := baton.release_steps(ids);
  released := step.released || woken;
  finish := baton.finish_workflows(ids);
  finished := finish.finished;
  complete := complete and step.complete and finish.complete;

  if cardinality(step.parked) > 0 then
    told := baton.parked_events(step.parked);
    further_flows := told.flows;
    further := told.events;
  end if;
  if cardinality(finished) > 0 then
    told := baton.workflow_events(finished);
    further_flows := further_flows || told.flows;
    further := further || told.events;
  end if;
  ended := cancelled || spared || settled || step.skipped || step.parked || finish.holders;
  if cardinality(ended) > 0 then
    insert into baton.workflow_releases as kept (job_ids, inserted_at)
    values (ended, case when aged then '-infinity' else clock_timestamp() end)
    returning kept.id into follow_up;
  end if;
end
$$;
