-- What was captured of the attempts of a job, the newest first. A document that is too large to be shown is
-- left out as a whole: what is secret can't be found in a part of it. Locks nothing.
select
  log.attempt,
  log.kind,
  case when length(log.content::text) <= %(most)s::integer then log.content::text end,
  length(log.content::text),
  log.inserted_at
from baton.workflow_debug_logs as log
where log.job_id = %(id)s
order by log.id desc
limit 50
