-- Deletes jobs and counts them; sql/routines/delete_jobs.sql says how.
select count(*) filter (where job.done)
from baton.delete_jobs(%(ids)s::bigint[], %(states)s::text[]::baton.job_state[]) as job
