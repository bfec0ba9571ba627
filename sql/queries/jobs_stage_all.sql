-- Makes due jobs of every queue available, and counts them; a test whose clock goes on does it.
-- sql/routines/stage_jobs.sql says how.
select staged, next_in
from baton.stage_jobs(%(most)s::integer)
