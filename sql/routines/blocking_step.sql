-- The step to look at when somebody asks why a step waits or ended without having run; null when it is
-- itself to be looked at. Of a step that waits, a dependency that keeps its gate closed, hopeless ones
-- and old ones first; of one that was cancelled or skipped along, the dependency that its cause names
-- (in the words of cancel_poisoned_steps and skip_cause); of a step that ended because its sub-workflow
-- failed, the step in that which failed first. Locks nothing.
create or replace function baton.blocking_step(id bigint) returns bigint
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  step baton.workflow_steps;
  found bigint;
begin
  select each.* into step from baton.workflow_steps as each where each.job_id = blocking_step.id;
  if step.job_id is null then
    return null;
  end if;

  if step.outcome is null then
    if step.parked_at is null and exists (
      select from baton.jobs as job where job.id = step.job_id and job.state <> 'executing'
    ) then
      select unmet.parent_id into found
      from baton.unmet_dependencies as unmet
      where unmet.child_id = step.job_id
      order by unmet.poisons desc, unmet.parent_id
      limit 1;
    end if;
    return found;
  end if;

  select parent.job_id into found
  from baton.workflow_edges as edge
  join baton.workflow_steps as parent on parent.job_id = edge.parent_id
  where edge.child_id = step.job_id
    and case
      when step.skipped then parent.skipped
        and step.cause = format('dependency %s was skipped', parent.step_name)
      when step.outcome = 'cancelled' then parent.outcome is not null and step.cause in (
        format('dependency %s was %s', parent.step_name, parent.outcome),
        format('step %s, which is this workflow, did not start', parent.step_name)
      )
      else false
    end
  order by parent.finished_at, parent.job_id
  limit 1;
  -- in the words of ended_waits
  if found is not null or not coalesce(starts_with(step.cause, 'its workflow failed: '), false) then
    return found;
  end if;

  select failed.job_id into found
  from baton.workflow_completions as completion
  cross join unnest(completion.failed_steps[1:100]) as each (name)
  join baton.workflow_steps as failed
    on failed.workflow_id = step.subworkflow_id and failed.step_name = each.name
  where completion.workflow_id = step.subworkflow_id
    and failed.outcome <> 'completed'
  order by failed.finished_at, failed.job_id
  limit 1;
  return found;
end
$$;
