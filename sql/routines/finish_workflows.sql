-- Marks the workflows of the given steps that have no open step left, and records their completion.
-- Looks first without a lock, so that a workflow's row is locked once in its life; locks ascending by
-- id, passing over rows that somebody else holds (`complete` is then false); looks again in a
-- statement of its own. The primary key of workflow_completions makes the announcement exactly one,
-- and the job that a program wants inserted then commits with it.
-- `holders` are the steps that finished workflows are of others: they have ended too.
create or replace function baton.finish_workflows(
  ids bigint[], out finished uuid[], out holders bigint[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
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
    from (
      select distinct step.workflow_id as id
      from baton.workflow_steps as step where step.job_id = any (ids)
    ) as touched
    join baton.workflows as workflow on workflow.id = touched.id and workflow.state = 'executing'
    where (
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
    where workflow.id = any (candidates) and workflow.state = 'executing'
    order by workflow.id
    for no key update skip locked
  );
  complete := cardinality(locked) = cardinality(candidates);
  with failures as (
    select
      workflow.id,
      array(
        select step.step_name from baton.workflow_steps as step
        where step.workflow_id = workflow.id and step.outcome <> 'completed'
        order by step.job_id
      ) as failed_steps
    from baton.workflows as workflow
    where workflow.id = any (locked)
      and (
        select step.job_id from baton.workflow_steps as step
        where step.workflow_id = workflow.id and step.outcome is null
        order by step.job_id desc
        limit 1
      ) is null
  ),
  ended as (
    update baton.workflows as workflow
    set
      state = case
        when cardinality(failures.failed_steps) = 0 then 'completed'::baton.workflow_state
        else 'failed'::baton.workflow_state
      end,
      unique_key = null,
      finished_at = now()
    from failures
    where workflow.id = failures.id and workflow.state = 'executing'
    returning
      workflow.id, workflow.name, workflow.state, workflow.parent_job_id, workflow.on_finished,
      failures.failed_steps
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
