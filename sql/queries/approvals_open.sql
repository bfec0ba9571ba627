-- What people are asked now, the oldest first, with what they are shown: what the steps returned that the
-- question is about, in pages: `after` and `after_id` are of the last one of the page before. An answer that
-- was given a moment ago is left out. Conditions of a filter stand where it is marked. Locks nothing.
select
  step.workflow_id,
  workflow.name,
  step.step_name,
  step.job_id,
  job.args::text,
  baton.readable_time(wait.inserted_at),
  baton.readable_time(wait.until),
  wait.on_timeout,
  case when %(results)s then baton.shown_results(step.job_id) end::text
from baton.workflow_waits as wait
join baton.workflow_steps as step on step.job_id = wait.job_id
join baton.jobs as job on job.id = step.job_id
left join baton.workflows as workflow on workflow.id = step.workflow_id
where wait.woken_at is null
  and starts_with(wait.signal, 'approval:')
  and step.kind = 'approval'
  and step.outcome is null
  and (%(workflow)s::uuid is null or wait.workflow_id = %(workflow)s)
  and (%(asks)s::text is null or job.args ->> 'asks' = %(asks)s)
  and not exists (
    select from baton.workflow_signals as answer
    where answer.workflow_id = wait.workflow_id and answer.name = wait.signal
  )
  and (wait.inserted_at, wait.job_id) > (
    coalesce(%(after)s::timestamptz, '-infinity'), coalesce(%(after_id)s::bigint, 0)
  )
  /* filter */
order by wait.inserted_at, wait.job_id
limit %(limit)s
