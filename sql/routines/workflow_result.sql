-- What a workflow returned: the result of the step that is its output, or else those of the steps
-- that no other step of it waits for, by name. Locks nothing.
create or replace function baton.workflow_result(flow uuid, output text) returns jsonb
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select case
    when output is not null then (
      select step.result from baton.workflow_steps as step
      where step.workflow_id = flow and step.step_name = output
    )
    else (
      select jsonb_object_agg(step.step_name, step.result)
      from baton.workflow_steps as step
      where step.workflow_id = flow
        and step.result is not null
        and not exists (
          select from baton.workflow_edges as edge
          join baton.workflow_steps as child
            on child.job_id = edge.child_id and child.workflow_id = flow
          where edge.parent_id = step.job_id
        )
    )
  end
$$;
