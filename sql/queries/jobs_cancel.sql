-- Cancels jobs and counts them; sql/routines/cancel_jobs.sql says how.
select count(*) filter (where job.done)
from baton.cancel_jobs(
  %(ids)s::bigint[], %(reason)s::text, %(states)s::text[]::baton.job_state[]
) as job
