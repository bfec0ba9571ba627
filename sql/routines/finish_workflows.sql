-- Marks the workflows of the given steps that have no open step left, and records their completion.
-- Looks first without a lock, so that a workflow's row is locked once in its life; locks ascending by
-- id, passing over rows that somebody else holds (`complete` is then false); looks again in a
-- statement of its own. The primary key of workflow_completions makes the announcement exactly one.
create or replace function baton.finish_workflows(
  ids bigint[], out finished uuid[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  candidates uuid[];
  locked uuid[];
begin
  finished := '{}';
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
      finished_at = now()
    from failures
    where workflow.id = failures.id and workflow.state = 'executing'
    returning workflow.id, workflow.state, failures.failed_steps
  ),
  recorded as (
    insert into baton.workflow_completions (workflow_id, outcome, failed_steps)
    select id, state, failed_steps from ended
    returning workflow_id
  )
  select coalesce(array_agg(workflow_id), '{}') into finished from recorded;
end
$$;
