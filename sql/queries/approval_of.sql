-- The question that a step is, with what people are shown and its answer, if there is one. Locks nothing.
select
  step.workflow_id,
  workflow.name,
  step.step_name,
  step.job_id,
  coalesce(job.args, '{}')::text,
  baton.readable_time(coalesce(wait.inserted_at, step.parked_at)),
  baton.readable_time(wait.until),
  coalesce(wait.on_timeout, step.on_timeout::text),
  baton.shown_results(step.job_id)::text,
  answer.payload::text,
  answer.sent_by,
  baton.readable_time(answer.sent_at),
  coalesce(step.outcome, job.state)::text
from baton.workflow_steps as step
left join baton.jobs as job on job.id = step.job_id
left join baton.workflows as workflow on workflow.id = step.workflow_id
left join baton.workflow_waits as wait on wait.job_id = step.job_id
left join baton.workflow_signals as answer
  on answer.workflow_id = step.workflow_id and answer.name = step.signal
where step.workflow_id = %(id)s and step.step_name = %(name)s::text and step.kind = 'approval'
