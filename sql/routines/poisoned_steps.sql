-- Waiting steps that can never run because of the given steps: dependents of those that ended badly
-- and are not ignored, those of the given steps that wait themselves for something that ended badly
-- or is gone, and everything down the closure, into sub-workflows too. What is parked got through its
-- gate before. The closure goes only through steps that are `within`, or through all when that is null; it
-- is asked for by a query, because `= any (within)` is not looked up in a hash table there. No default: beside
-- the routine of the version before, a call with `ids` alone would be ambiguous. Locks nothing.
create or replace function baton.poisoned_steps(ids bigint[], within bigint[])
returns setof bigint
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  with recursive first (id) as (
    select child.job_id
    from baton.workflow_steps as parent
    join baton.workflow_edges as edge on edge.parent_id = parent.job_id
    join baton.workflow_steps as child on child.job_id = edge.child_id
    where parent.job_id = any (ids)
      and case
        when parent.subworkflow_id = child.workflow_id
          then parent.outcome is not null and parent.parked_at is null and not parent.skipped
        else child.run_on = 'completed' and (
          parent.outcome = 'cancelled' and not child.ignore_cancelled
          or parent.outcome = 'discarded' and not child.ignore_discarded
        )
      end
    union
    select step.job_id
    from baton.workflow_steps as step
    where step.job_id = any (ids)
      and step.outcome is null
      and exists (
        select from baton.unmet_dependencies as unmet
        where unmet.child_id = step.job_id and unmet.poisons
      )
  ),
  poisoned (id) as (
    select job.id
    from first
    join baton.workflow_steps as step on step.job_id = first.id and step.parked_at is null
    join baton.jobs as job on job.id = first.id and job.state = 'suspended'
    where within is null or job.id in (select unnest(within))
    union
    select job.id
    from poisoned
    join baton.workflow_edges as edge on edge.parent_id = poisoned.id
    join baton.workflow_steps as parent on parent.job_id = edge.parent_id
    join baton.workflow_steps as child
      on child.job_id = edge.child_id
      and child.parked_at is null
      and (
        parent.subworkflow_id = child.workflow_id
        or child.run_on = 'completed' and not child.ignore_cancelled
      )
    join baton.jobs as job on job.id = edge.child_id and job.state = 'suspended'
    where within is null or job.id in (select unnest(within))
  )
  select id from poisoned
$$;
