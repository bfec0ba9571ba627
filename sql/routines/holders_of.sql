-- The steps that the workflows of the given steps are, where these are first steps of theirs, and so on
-- outwards: what a step depends on is known to the first steps of the workflow that it is. Locks nothing.
create or replace function baton.holders_of(ids bigint[])
returns table (step_id bigint, holder_id bigint)
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  with recursive outwards (step_id, holder_id) as (
    select guard.child_id, guard.parent_id
    from baton.workflow_edges as guard
    join baton.workflow_steps as holder on holder.job_id = guard.parent_id
    join baton.workflow_steps as step
      on step.job_id = guard.child_id and step.workflow_id = holder.subworkflow_id
    where guard.child_id = any (ids)
    union
    select outwards.step_id, guard.parent_id
    from outwards
    join baton.workflow_edges as guard on guard.child_id = outwards.holder_id
    join baton.workflow_steps as holder on holder.job_id = guard.parent_id
    join baton.workflow_steps as step
      on step.job_id = guard.child_id and step.workflow_id = holder.subworkflow_id
  )
  select outwards.step_id, outwards.holder_id from outwards
$$;
