-- How a workflow stands, as JSON: what `WorkflowFacts` has. At most twice `most` of its steps are
-- looked at, the first and the last ones, and those that execute; steps that could move by
-- themselves are put together by what they have in common. Locks nothing.
with looked as (
  (
    select
      step.job_id, step.step_name, step.kind, step.signal, step.parked_at, step.outcome, step.finished_at
    from baton.workflow_steps as step
    where step.workflow_id = %(id)s
    order by step.job_id
    limit %(most)s
  )
  union
  (
    select
      step.job_id, step.step_name, step.kind, step.signal, step.parked_at, step.outcome, step.finished_at
    from baton.workflow_steps as step
    where step.workflow_id = %(id)s
    order by step.job_id desc
    limit %(most)s
  )
  union
  select
    step.job_id, step.step_name, step.kind, step.signal, step.parked_at, step.outcome, step.finished_at
  from baton.jobs as job
  join baton.workflow_steps as step on step.job_id = job.id
  where job.state = 'executing' and step.workflow_id = %(id)s
),
open as (
  select looked.*, job.state, job.queue, job.attempted_at, job.scheduled_at
  from looked
  left join baton.jobs as job on job.id = looked.job_id
  where looked.outcome is null
),
bunch as (
  select
    count(*) as steps,
    (array_agg(open.step_name order by open.job_id))[1:4] as names,
    -- the one that has run longest, or that waits longest
    (
      array_agg(
        open.job_id
        order by
          case
            when open.state = 'executing' then open.attempted_at end,
          case when open.state in ('scheduled', 'retryable') then open.scheduled_at end desc,
          open.job_id
      )
    )[1] as job_id
  from open
  where open.state is distinct from 'suspended' or open.parked_at is not null
  group by open.state, open.queue, open.kind, open.signal
  order by coalesce(open.state = 'executing', false), count(*) desc, min(open.job_id)
  limit %(bunches)s
),
failed as (
  select candidate.job_id
  from (
    select looked.job_id, looked.finished_at
    from looked
    where looked.outcome in ('discarded', 'cancelled')
    union all
    select step.job_id, step.finished_at
    from baton.workflow_completions as completion
    cross join unnest(completion.failed_steps[1:100]) as each (name)
    join baton.workflow_steps as step
      on step.workflow_id = completion.workflow_id and step.step_name = each.name
    where completion.workflow_id = %(id)s and step.outcome in ('discarded', 'cancelled')
  ) as candidate
  order by candidate.finished_at, candidate.job_id
  limit 1
)
select json_build_object(
  'id', workflow.id,
  'name', workflow.name,
  'now', clock_timestamp(),
  'state', workflow.state,
  'inserted_at', baton.readable_time(workflow.inserted_at),
  'finished_at', baton.readable_time(workflow.finished_at),
  'deadline', baton.readable_time(workflow.deadline),
  'bunches', coalesce(
    (
      select json_agg(json_build_object(
        'steps', bunch.steps, 'names', bunch.names, 'job_id', bunch.job_id
      ))
      from bunch
    ),
    '[]'
  ),
  'suspended', (select max(open.job_id) from open where open.state = 'suspended'),
  'failed', (select failed.job_id from failed),
  'looked_at', (select count(*) from looked)
)::text
from baton.workflows as workflow
where workflow.id = %(id)s
