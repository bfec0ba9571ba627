-- What follows from the end of the given steps: cancel what they poison, open the gates that they
-- kept closed, settle what waits for them, finish the workflows that are done. Must run in a transaction
-- that began after theirs committed ("commit, then check"): a check inside theirs loses the wake-up
-- when two last dependencies end together. For the same reason the steps that end here are not
-- followed here: their ids go into a row of workflow_releases, `follow_up`, which is advanced after this
-- transaction has committed, by its caller or by the sweep. Idempotent.
-- When the ends of the given steps are `news` they are counted and, if they are to be told, returned
-- as `events`, with the workflow of each in `flows`; `further` are the events of what began and ended
-- here. The caller publishes them in this transaction.
-- One statement reads all that is to be known of the given steps. The settings of the planner are for
-- the routines that it calls, too; generic plans, because those for one step look cheaper to it every
-- time, and making one takes longer than all the rest.
create or replace function baton.advance_workflows(
  ids bigint[], news boolean default true, tell boolean default true, aged boolean default false,
  out released bigint[], out follow_up bigint, out complete boolean,
  out flows uuid[], out events text[], out further_flows uuid[], out further text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  given record;
  part record;
  finish record;
  told record;
  ended bigint[] := '{}';
  waiting bigint[] := '{}';
begin
  further_flows := '{}';
  further := '{}';
  select
    -- only a bad end, a step that waits itself, or a sub-workflow that does not start can poison
    coalesce(bool_or(
      step.outcome is distinct from 'completed' or step.skipped and step.subworkflow_id is not null
    ), false) as odd,
    bool_or(workflow.counted) as counted,
    coalesce(array_agg(step.job_id) filter (where step.outcome is null), '{}') as waiting,
    coalesce(array_agg(step.workflow_id), '{}') as touched,
    coalesce(array_agg(step.workflow_id) filter (where news and tell and step.outcome is not null), '{}')
      as flows,
    coalesce(array_agg(
      baton.step_event(
        step.workflow_id, workflow.name, step.step_name, step.outcome::text, step.skipped,
        step.job_id, job.epoch, job.worker, job.attempt, step.result is not null, step.cause,
        step.finished_at
      )
    ) filter (where news and tell and step.outcome is not null), '{}') as events
  into given
  from baton.workflow_steps as step
  left join baton.workflows as workflow on workflow.id = step.workflow_id
  left join baton.jobs as job on news and tell and job.id = step.job_id
  where step.job_id = any (ids);
  flows := given.flows;
  events := given.events;
  if news and given.counted then
    perform baton.count_steps(ids);
  end if;

  complete := true;
  released := '{}';
  if given.odd then
    part := baton.cancel_poisoned_steps(ids);
    ended := part.cancelled;
    complete := part.complete;
    part := baton.end_subworkflows(ids);
    ended := ended || part.skipped;
    complete := complete and part.complete;
    part := baton.settle_waits(ids);
    ended := ended || part.settled;
    released := part.woken;
    complete := complete and part.complete;
  end if;

  part := baton.release_steps(ids, given.waiting, given.touched);
  released := released || part.released;
  ended := ended || part.skipped;
  waiting := part.parked;
  complete := complete and part.complete;
  if cardinality(part.parked) > 0 then
    told := baton.parked_events(part.parked);
    further_flows := told.flows;
    further := told.events;
  end if;

  if cardinality(part.quiet) > 0 then
    finish := baton.finish_workflows(part.quiet);
    complete := complete and finish.complete;
    -- one that ended before its workflow was told and counted then
    waiting := waiting || array(
      select step.job_id from baton.workflow_steps as step
      where step.job_id = any (finish.holders) and step.outcome is null
    );
    if cardinality(finish.finished) > 0 then
      told := baton.workflow_events(finish.finished);
      further_flows := further_flows || told.flows;
      further := further || told.events;
    end if;
  end if;

  if cardinality(ended || waiting) > 0 then
    insert into baton.workflow_releases as kept (job_ids, announced, inserted_at)
    values (
      ended || waiting,
      cardinality(ended) = 0,  -- who ends one that waits tells and counts it
      case when aged then '-infinity' else clock_timestamp() end
    )
    returning kept.id into follow_up;
  end if;
end
$$;
