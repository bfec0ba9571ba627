-- How the steps of a workflow stand, or of all that execute, as events, and whether it is finished, which
-- comes last; with the snapshot in which that is so. A listener compares it with the transaction of
-- an event: what is visible in the snapshot is in here, or something newer. `heard` are jobs whose
-- end is known. The first row has no event. Locks nothing.
with flow as materialized (
  select workflow.id, workflow.name, workflow.state
  from baton.workflows as workflow
  where workflow.id = %(id)s::uuid
  union all
  -- a branch of its own: one condition for both would look at every workflow
  select workflow.id, workflow.name, workflow.state
  from baton.workflows as workflow
  where %(id)s::uuid is null and workflow.state = 'executing'
)
select
  (select pg_current_snapshot()::text) as snapshot,
  seed.event
from (
  select null as event, 0 as kind, null::bigint as job_id
  union all
  select
    baton.step_event(
      node.workflow_id, flow.name, node.step_name, node.state, node.skipped, node.job_id, job.epoch,
      job.worker, job.attempt, node.result is not null, node.error,
      coalesce(
        node.finished_at, node.parked_at, case when job.state = 'executing' then job.attempted_at end,
        job.scheduled_at, node.inserted_at
      )
    ),
    1,
    node.job_id
  from flow
  -- workflow by workflow: joined at once, all steps that there are may be read for one
  cross join lateral (
    select * from baton.workflow_nodes as inside where inside.workflow_id = flow.id offset 0
  ) as node
  left join baton.jobs as job on job.id = node.job_id
  where node.job_id <> all (%(heard)s::bigint[])
  union all
  select told.event, 2, null
  from baton.workflow_events(array(select flow.id from flow where flow.state <> 'executing')) as ended
  cross join lateral unnest(ended.events) as told (event)
) as seed
order by seed.kind, seed.job_id
