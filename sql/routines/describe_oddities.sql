-- What few steps have, as the JSON object that sql/routines/describe_steps.sql ends their descriptions with:
-- a gate that is closed, a stored result, a condition, the context of the workflow, dependencies that were
-- grafted, those of the steps that the workflow is, and what came of a wait. Locks nothing.
create or replace function baton.describe_oddities(
  step baton.workflow_steps, workflow baton.workflows, wait baton.workflow_waits
) returns text
language plpgsql stable
as $$
declare
  holders bigint[] := '{}';
  gate record;
  told json;
begin
  if workflow.parent_job_id is not null then
    holders := array(select around.holder_id from baton.holders_of(array[step.job_id]) as around);
  end if;
  select
    case when unmet.poisons then 'poisoned' else 'waiting' end as state,
    format('dependency %s %s', coalesce(unmet.parent_name, unmet.parent_id::text),
      case
        when unmet.parent_name is null then 'is gone'
        else 'was ' || unmet.parent_outcome
      end
    ) as cause
  into gate
  from baton.unmet_dependencies as unmet
  where unmet.child_id = step.job_id
  order by unmet.poisons desc
  limit 1;
  if wait.job_id is not null then
    select json_build_object(
      'signal', wait.signal, 'arrived', count(signal.name) > 0,
      'payload', (array_agg(signal.payload))[1]
    )
    into told
    from baton.workflow_signals as signal
    where signal.workflow_id = wait.workflow_id and signal.name = wait.signal;
  end if;
  return (
    select json_build_object(
      'stored', step.result is not null,
      'gate', gate.state,
      'cause', gate.cause,
      -- by whom is looked up for those alone
      'grafted', json_agg(json_build_array(parent.job_id, parent.step_name, (
        select grafter.step_name from baton.workflow_steps as grafter
        where grafter.job_id = parent.grafted_by
      ))) filter (where parent.grafted_by is not null and parent.job_id <> all (holders)),
      -- the first steps of a sub-workflow know what the step that it is depends on
      'inherited', json_agg(parent.step_name order by parent.job_id) filter (
        where edge.child_id <> step.job_id and parent.job_id <> all (holders)
      ),
      'parents', json_agg(parent.job_id) filter (
        where edge.child_id <> step.job_id and parent.result is not null
      ),
      'condition', step.condition,
      'context', nullif(workflow.context, '{}'),
      'waited', told
    )::text
    from baton.workflow_edges as edge
    join baton.workflow_steps as parent on parent.job_id = edge.parent_id
    where edge.child_id = any (array[step.job_id] || holders)
  );
end
$$;
