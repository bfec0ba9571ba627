-- What running the given steps again concerns: they themselves, and what follows from it.
-- `onward` says which of their dependents run again too, and of those in turn:
--   woken   those that were cancelled because of a dependency, and that none keeps from running which
--           stays bad: they would be cancelled again, and their callbacks called twice;
--   failed  these, and what reacted to an end that is taken back: steps that run after a failure or in
--           any case, and skipped ones, which decide anew;
--   all     everything after them, into sub-workflows and out of them.
-- A step of an ended sub-workflow takes the step along that this one is, which waits for its end again.
-- What a completed step grafted is `removed` when that runs again, unless only `woken` are asked for: it
-- grafts anew. One that failed, or is retried by itself, finds its grafts there. `again` is false for dependents that wait and go on waiting: their locks keep
-- a cascade out that has begun to see the ends that are taken back. Locks nothing.
create or replace function baton.retried_steps(ids bigint[], onward text)
returns table (job_id bigint, again boolean, removed boolean)
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  -- whole: with the sub-workflow that it is; not when it only waits for that one again
  with recursive reached (id, whole, again, removed) as (
    select unnest(ids), true, true, false
    union
    select next.id, next.whole, next.again, next.removed
    from reached
    join baton.workflow_steps as step on step.job_id = reached.id
    cross join lateral (
      select
        child.job_id as id,
        true as whole,
        not (child.outcome is null and child.parked_at is null and job.state = 'suspended')
          is true as again,
        false as removed
      from baton.workflow_edges as edge
      join baton.workflow_steps as child on child.job_id = edge.child_id
      left join baton.jobs as job on job.id = edge.child_id
      where edge.parent_id = step.job_id
        and (reached.whole or child.workflow_id is distinct from step.subworkflow_id)
        and (
          onward = 'all'
          or child.outcome is null and child.parked_at is null and job.state = 'suspended'
          or child.outcome = 'cancelled' and job.errors -> -1 ->> 'kind' = 'dependency'
          or onward = 'failed' and (child.skipped or child.run_on <> 'completed')
        )
      union all
      select part.job_id, true, true, reached.removed
      from baton.workflow_steps as part
      where (onward = 'all' and reached.whole or reached.removed)
        and step.subworkflow_id is not null
        and part.workflow_id = step.subworkflow_id
      union all
      select graft.job_id, true, true, true
      from baton.workflow_steps as graft
      where onward <> 'woken'
        and (reached.removed or reached.again and step.outcome = 'completed' and not step.skipped)
        and graft.grafted_by = step.job_id
      union all
      select holder.job_id, false, true, false
      from baton.workflows as workflow
      join baton.workflow_steps as holder on holder.job_id = workflow.parent_job_id
      where reached.again and workflow.id = step.workflow_id and holder.outcome is not null
    ) as next
  ),
  gathered as materialized (
    select
      reached.id,
      bool_or(reached.whole) as whole,
      bool_or(reached.again) as again,
      bool_or(reached.removed) as removed
    from reached group by reached.id
  ),
  hopeless (id) as (
    select gathered.id
    from gathered
    where onward = 'woken'
      and gathered.whole
      and gathered.again
      and gathered.id <> all (ids)
      and exists (
        select from baton.unmet_dependencies as unmet
        where unmet.child_id = gathered.id
          and unmet.poisons
          and unmet.parent_id not in (select other.id from gathered as other where other.again)
      )
    union
    select unmet.child_id
    from hopeless
    join baton.unmet_dependencies as unmet on unmet.parent_id = hopeless.id and unmet.poisons
    where unmet.child_id in (select other.id from gathered as other where other.again)
      and unmet.child_id <> all (ids)
  )
  select gathered.id, gathered.again, gathered.removed
  from gathered
  where gathered.id not in (select hopeless.id from hopeless)
$$;
