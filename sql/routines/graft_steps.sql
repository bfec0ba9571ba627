-- Adds steps to a workflow that executes, with the sub-workflows in them. What is added comes as a
-- document: `steps` in an order in which each follows those that it waits for, counted from 1 by
-- `ordinal`, where `top` is the step of this workflow that it is, or is a part of; `edges` between them;
-- `needs`, the steps of the workflow that they wait for besides; `flows`, the sub-workflows; and whether
-- the dependents of the step that grafts wait for them.
-- A step that `returned` them has completed in this transaction: each of them depends on it, so that it
-- can read its result. What was there already, added by the same step in an earlier attempt, is kept.
-- `unsure` are the new steps whose gate is to be looked at once this has committed; the others may run.
-- The caller holds the lock of the job of the step that grafts, or of the workflow, so the workflow can't
-- end meanwhile; a graft of a step takes no lock that another step's graft waits for, except as
-- sql/routines/check_graft.sql says. Steps are written in the order of their names, in which two grafts
-- of the same name wait for each other.
create or replace function baton.graft_steps(
  flow uuid, grafter bigint, plan jsonb, returned boolean, before bigint[],
  out added text[], out kept text[], out unsure bigint[]
)
language plpgsql
as $$
declare
  origin record;
  onto record;
  total integer := jsonb_array_length(plan -> 'steps');
  fresh integer[];
  made bigint[];
  ids bigint[];
  written bigint;
  taken text;
begin
  added := '{}';
  unsure := '{}';
  onto := baton.check_graft(flow, grafter, plan, before);
  kept := onto.kept_names;
  fresh := baton.fresh_steps(plan, kept);
  if cardinality(fresh) = 0 then
    return;
  end if;

  select
    workflow.name, workflow.tags, workflow.counted, workflow.priority,
    baton.workflow_debug(flow, grafter) as debug,
    (
      select step.step_name from baton.workflow_steps as step
      where step.job_id = grafter and returned
    ) as parent,
    -- a sub-workflow that has not begun: what is added from outside waits for that
    (
      select holder.job_id from baton.workflow_steps as holder
      where holder.job_id = workflow.parent_job_id and holder.parked_at is null and grafter = 0
    ) as guard
  into origin
  from baton.workflows as workflow
  where workflow.id = flow;

  select array_agg((placed.job).id order by placed.ordinal) into made
  from (
    select
      array_agg(step.queue) as queues,
      array_agg(step.worker) as workers,
      array_agg(step.args) as args,
      array_agg(case
        when step.inside is null then (step.meta::jsonb || jsonb_strip_nulls(jsonb_build_object(
          'workflow_id', flow,
          'workflow_name', step.name,
          'workflow_label', origin.name,
          'workflow_debug', origin.debug
        )))::text
        when origin.debug is not null then (
          step.meta::jsonb || jsonb_build_object('workflow_debug', origin.debug)
        )::text
        else step.meta
      end) as metas,
      array_agg(case
        when origin.tags <> '{}' then (step.tags::jsonb || to_jsonb(origin.tags))::text
        else step.tags
      end) as tags,
      array_agg(case
        when step.own_priority then step.priority
        else coalesce(origin.priority, step.priority)
      end) as priorities,
      array_agg(step.max_attempts) as max_attempts,
      array_agg(step.scheduled_at) as scheduled_ats,
      array_agg(step.delay) as delays,
      array_agg(step.timeout) as timeouts,
      array_agg(step.deadline) as deadlines,
      array_agg(step.weight) as weights,
      array_agg(step.suspended or step.inside is null and origin.guard is not null) as suspended
    from (
      select *
      from jsonb_to_recordset(plan -> 'steps') as step (
        ordinal integer, inside uuid, name text, queue text, worker text, args text, meta text,
        tags text, priority smallint, own_priority boolean, max_attempts smallint, scheduled_at timestamptz,
        delay double precision, timeout double precision, deadline timestamptz, weight smallint,
        suspended boolean
      )
      where cardinality(fresh) = total or step.ordinal = any (fresh)
      order by step.ordinal
    ) as step
  ) as given
  cross join lateral baton.insert_jobs(
    given.queues, given.workers, given.args, given.metas, given.tags, given.priorities,
    given.max_attempts, given.scheduled_ats, given.delays, given.timeouts, given.deadlines,
    given.weights, suspended => given.suspended
  ) as placed;

  -- by ordinal; of what is kept, the step that is there, and 0 for the parts of a sub-workflow
  if cardinality(fresh) = total then
    ids := made;
  else
    ids := array_fill(0::bigint, array[total]);
    for i in 1 .. cardinality(fresh) loop
      ids[fresh[i]] := made[i];
    end loop;
    select array_agg(coalesce(old.id, given.id) order by given.ordinal) into ids
    from unnest(ids) with ordinality as given (id, ordinal)
    left join (
      select (step.value ->> 'ordinal')::bigint as ordinal, found.id
      from jsonb_array_elements(plan -> 'steps') as step (value)
      join unnest(onto.kept_names, onto.kept) as found (name, id)
        on found.name = step.value ->> 'name'
      where step.value ->> 'inside' is null
    ) as old on old.ordinal = given.ordinal;
  end if;

  insert into baton.workflow_steps (
    job_id, workflow_id, step_name, deps, ignore_cancelled, ignore_discarded, ignore_skipped, run_on,
    kind, condition, signal, wait_seconds, on_timeout, subworkflow_id, grafted_by, has_callbacks
  )
  select
    ids[step.ordinal],
    coalesce(step.inside, flow),
    step.name,
    case when step.inside is null and origin.parent is not null then array[origin.parent] else '{}' end
      || array(select jsonb_array_elements_text(step.deps::jsonb)),
    step.ignore_cancelled,
    step.ignore_discarded,
    step.ignore_skipped,
    step.run_on,
    step.kind,
    step.condition,
    step.signal,
    step.wait_seconds,
    step.on_timeout,
    step.subworkflow,
    case when step.inside is null then grafter end,
    step.has_callbacks
  from jsonb_to_recordset(plan -> 'steps') as step (
    ordinal integer, inside uuid, name text, deps text, ignore_cancelled boolean,
    ignore_discarded boolean, ignore_skipped boolean, run_on text, kind text, condition text,
    signal text, wait_seconds double precision, on_timeout baton.job_state, subworkflow uuid,
    has_callbacks boolean
  )
  where ids[step.ordinal] >= made[1]
  order by step.inside, step.name
  on conflict on constraint workflow_steps_unique_name do nothing;
  get diagnostics written = row_count;
  if written < cardinality(fresh) then
    select step.value ->> 'name' into taken
    from jsonb_array_elements(plan -> 'steps') as step (value)
    join baton.workflow_steps as other
      on other.workflow_id = flow and other.step_name = step.value ->> 'name'
    where step.value ->> 'inside' is null
      and other.job_id <> ids[(step.value ->> 'ordinal')::integer]
    limit 1;
    if taken is not null then
      perform baton.refuse_graft('taken', taken);
    end if;
    -- a sub-workflow that another step brought along: a program that builds it once, say
    perform baton.refuse_graft('workflow taken', (
      select part.id::text
      from jsonb_to_recordset(plan -> 'flows') as part (id uuid)
      join baton.workflows as other on other.id = part.id
      limit 1
    ));
  end if;

  select array_agg(step.name), coalesce(
    array_agg(step.id) filter (where step.suspended or origin.guard is not null), '{}'
  )
  into added, unsure
  from (
    select step.name, step.suspended, ids[step.ordinal] as id
    from jsonb_to_recordset(plan -> 'steps')
      as step (ordinal integer, inside uuid, name text, suspended boolean)
    where step.inside is null and ids[step.ordinal] >= made[1]
    order by step.ordinal
  ) as step;

  perform baton.graft_edges(
    plan, ids, made[1], case when returned then grafter end, origin.guard, onto.needed_names,
    onto.needed, onto.dependents
  );
  perform baton.graft_flows(flow, plan, ids, made[1]);
  if origin.counted then
    insert into baton.workflow_progress (workflow_id, added) values (flow, cardinality(added));
  end if;
end
$$;
