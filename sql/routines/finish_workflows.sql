-- Marks those of the given workflows that have no open step left, and records their completion.
-- Looks first without a lock, so that a workflow's row is locked once in its life; locks ascending by
-- id, passing over rows that somebody else holds (`complete` is then false); looks again in a
-- statement of its own. The primary key of workflow_completions makes the announcement exactly one,
-- and the job that a program wants inserted then commits with it.
-- `holders` are the steps that finished workflows are of others: they have ended too. Its caller has kept
-- the planner from hash joins and scans.
-- Asked for as `state = 'executing'`, a few would be looked for in the index of all that execute.
create or replace function baton.finish_workflows(
  flows uuid[], out finished uuid[], out holders bigint[], out complete boolean
)
language plpgsql
as $$
declare
  candidates uuid[];
  locked uuid[];
  inserted bigint;
begin
  finished := '{}';
  holders := '{}';
  complete := true;
  candidates := array(
    select workflow.id
    from baton.workflows as workflow
    where workflow.id = any (flows) and workflow.state <> all ('{completed, failed}')
    and (
      select step.job_id from baton.workflow_steps as step
      where step.workflow_id = workflow.id and step.outcome is null
      order by step.job_id desc
      limit 1
    ) is null
  );
  if cardinality(candidates) = 0 then
    return;
  end if;
  locked := array(
    select workflow.id from baton.workflows as workflow
    where workflow.id = any (candidates) and workflow.state <> all ('{completed, failed}')
    order by workflow.id
    for no key update skip locked
  );
  complete := cardinality(locked) = cardinality(candidates);
  with failures as materialized (
    select given.id, steps.failed as failed_steps
    from unnest(locked) as given (id)
    cross join lateral (
      select
        coalesce(bool_or(step.outcome is null), false) as open,
        coalesce(
          array_agg(step.step_name order by step.job_id) filter (where step.outcome <> 'completed'),
          '{}'
        ) as failed
      from baton.workflow_steps as step
      where step.workflow_id = given.id
    ) as steps
    where not steps.open
  ),
  wrong as materialized (
    select jsonb_object_agg(failures.id, failures.failed_steps) as steps
    from failures
    where failures.failed_steps <> '{}'
  ),
  ended as (
    -- By the ids alone, for the same reason; their lock keeps their state.
    update baton.workflows as workflow
    set
      state = case
        when (select wrong.steps from wrong) ? workflow.id::text
          then 'failed'::baton.workflow_state
        else 'completed'::baton.workflow_state
      end,
      unique_key = null,
      finished_at = now()
    where workflow.id = any (array(select failures.id from failures))
    returning
      workflow.id, workflow.name, workflow.state, workflow.parent_job_id, workflow.on_finished,
      array(
        select jsonb_array_elements_text((select wrong.steps from wrong) -> workflow.id::text)
      ) as failed_steps
  ),
  recorded as (
    insert into baton.workflow_completions (workflow_id, outcome, failed_steps)
    select id, state, failed_steps from ended
    returning workflow_id
  ),
  reacted as (
    select baton.insert_reaction(
      ended.on_finished,
      jsonb_build_object(
        'workflow_id', ended.id,
        'workflow_label', ended.name,
        'outcome', ended.state,
        'failed_steps', ended.failed_steps[1:100]
      )
    )
    from ended
    where ended.on_finished is not null
  )
  select
    coalesce(array_agg(ended.id), '{}'),
    coalesce(array_agg(ended.parent_job_id) filter (where ended.parent_job_id is not null), '{}'),
    (select count(*) from reacted)
  into finished, holders, inserted
  from ended;
end
$$;
