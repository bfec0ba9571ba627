-- What a process has to know of the steps that it claimed: `steps` describes them by job id, and
-- `results` holds what their dependencies returned, each once however many of the steps read it; null
-- when they returned nothing. A description is an array: the workflow, its name, the name of the step,
-- its dependencies, those that returned something, by id, and an object with what few steps have. It is
-- put together as text, which takes a fraction of the time that building JSON does.
-- With `announce`, `starts` are the events of those that start, with the workflow of each in `flows`,
-- for the caller to publish. Must run after the claim, in a statement of its own. Locks nothing. Its
-- caller has kept the planner from hash joins and scans; a plan for one step would look cheaper to it
-- every time, and be made every time.
create or replace function baton.describe_steps(
  step_ids bigint[], announce boolean,
  out steps text, out results text, out flows uuid[], out starts text[]
)
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
begin
  -- in one statement: between two, a retry of a dependency may forget what it returned
  select
    told.steps,
    case
      when told.returned or told.nested then (
        select json_object_agg(parent.job_id, json_build_array(parent.step_name, parent.result))
        from baton.workflow_steps as parent
        where parent.result is not null
          and parent.job_id in (
            select edge.parent_id from baton.workflow_edges as edge
            where edge.child_id = any (
              step_ids || case
                when told.nested
                  then array(select around.holder_id from baton.holders_of(step_ids) as around)
              end
            )
          )
      )
    end,
    told.flows,
    told.starts
  into steps, results, flows, starts
  from (
    select
      '{' || string_agg(
        '"' || step.job_id::text || '":["' || step.workflow_id::text
          || '",' || coalesce(to_json(workflow.name)::text, 'null')
          || ',' || to_json(step.step_name)::text
          || ',' || array_to_json(step.deps)::text
          || ',[' || coalesce(own.returned, '') || '],'
          || case
            when own.odd or step.result is not null or step.condition is not null
              or workflow.parent_job_id is not null or workflow.context <> '{}' or wait.job_id is not null
              then baton.describe_oddities(step, workflow, wait)
            else '{}'
          end
          || ']',
        ','
      ) || '}' as steps,
      bool_or(own.returned is not null) as returned,
      bool_or(workflow.parent_job_id is not null) as nested,
      coalesce(array_agg(step.workflow_id) filter (where announce and not gate.closed), '{}') as flows,
      coalesce(array_agg(
        baton.step_event(
          step.workflow_id, workflow.name, step.step_name, 'executing', false, step.job_id, job.epoch,
          job.worker, job.attempt, step.result is not null, null, job.attempted_at
        )
      ) filter (where announce and not gate.closed), '{}') as starts
    from baton.workflow_steps as step
    left join baton.workflows as workflow on workflow.id = step.workflow_id
    left join baton.jobs as job on announce and job.id = step.job_id
    left join baton.workflow_waits as wait on wait.job_id = step.job_id and wait.woken_at is not null
    cross join lateral (
      select
        coalesce(bool_or(
          parent.grafted_by is not null
          or not baton.surely_met(parent.outcome, parent.skipped, parent.subworkflow_id)
        ), false) as odd,
        string_agg(edge.parent_id::text, ',') filter (where parent.result is not null) as returned
      from baton.workflow_edges as edge
      left join baton.workflow_steps as parent on parent.job_id = edge.parent_id
      where edge.child_id = step.job_id
    ) as own
    cross join lateral (
      select own.odd and (
        select unmet.parent_id from baton.unmet_dependencies as unmet
        where unmet.child_id = step.job_id
        limit 1
      ) is not null as closed
    ) as gate
    where step.job_id = any (step_ids)
  ) as told;
end
$$;
