-- Makes due jobs available; sql/routines/stage_jobs.sql says how.
select staged, next_in from baton.stage_jobs(%(most)s)
