-- The newest workflows that failed, with the step that failed first.
select
  workflow.id,
  workflow.name,
  workflow.finished_at,
  step.step_name as first_failed,
  step.outcome,
  left(step.cause, 80) as cause
from baton.workflows as workflow
left join lateral (
  select step.step_name, step.outcome, step.cause
  from baton.workflow_steps as step
  where step.workflow_id = workflow.id and step.outcome in ('discarded', 'cancelled')
  order by step.finished_at, step.job_id
  limit 1
) as step on true
where workflow.state = 'failed'
order by workflow.inserted_at desc
limit 50
