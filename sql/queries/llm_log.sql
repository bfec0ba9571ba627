-- What was captured of a job, the newest entries of it, in the order in which they were. Locks nothing.
select
  log.id, log.job_id, log.attempt, log.workflow_id, log.step_name, log.kind, log.content,
  log.inserted_at
from (
  select * from baton.workflow_debug_logs as each
  where each.job_id = %(id)s
  order by each.id desc
  limit %(limit)s
) as log
order by log.id
