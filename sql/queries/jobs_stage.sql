-- Makes due jobs available; sql/routines/stage_jobs.sql says how.
select ready, next_in
from baton.stage_jobs(%(most)s::integer, %(queues)s::text[], %(spare)s::integer)
