-- Steps that wait for a signal or a time, and until when.
select
  wait.workflow_id,
  step.step_name,
  wait.signal,
  wait.until,
  wait.on_timeout,
  now() - wait.inserted_at as waits_for
from baton.workflow_waits as wait
left join baton.workflow_steps as step on step.job_id = wait.job_id
where wait.woken_at is null
order by wait.until nulls last
limit 100
