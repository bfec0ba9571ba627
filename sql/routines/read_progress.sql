-- How many steps the given workflows have, and how many of them ended how. The steps of a large
-- workflow are not looked at: its rows of workflow_progress are put together. Locks nothing.
create or replace function baton.read_progress(ids uuid[])
returns table (
  workflow_id uuid, total bigint, completed bigint, skipped bigint, discarded bigint, cancelled bigint
)
language sql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select
    workflow.id,
    coalesce(counted.total, 0),
    coalesce(counted.completed, 0),
    coalesce(counted.skipped, 0),
    coalesce(counted.discarded, 0),
    coalesce(counted.cancelled, 0)
  from baton.workflows as workflow
  cross join lateral (
    select
      sum(part.added) as total,
      sum(part.completed) as completed,
      sum(part.skipped) as skipped,
      sum(part.discarded) as discarded,
      sum(part.cancelled) as cancelled
    from baton.workflow_progress as part
    where part.workflow_id = workflow.id
  ) as counted
  where workflow.id = any (ids) and workflow.counted
  union all
  select
    workflow.id,
    counted.total,
    counted.completed,
    counted.skipped,
    counted.discarded,
    counted.cancelled
  from baton.workflows as workflow
  cross join lateral (
    select
      count(*) as total,
      count(*) filter (where step.outcome = 'completed' and not step.skipped) as completed,
      count(*) filter (where step.outcome = 'completed' and step.skipped) as skipped,
      count(*) filter (where step.outcome = 'discarded') as discarded,
      count(*) filter (where step.outcome = 'cancelled') as cancelled
    from baton.workflow_steps as step
    where step.workflow_id = workflow.id
  ) as counted
  where workflow.id = any (ids) and not workflow.counted
$$;
