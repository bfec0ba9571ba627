-- Runs jobs again and counts them; sql/routines/retry_jobs.sql says how.
select count(*) filter (where job.done)
from baton.retry_jobs(%(ids)s::bigint[], %(states)s::text[]::baton.job_state[]) as job
