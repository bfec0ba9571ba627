-- Makes due jobs available; sql/routines/stage_jobs.sql says how. What a crash of the server undoes is
-- done again, so the commit does not wait for the disk, nor does whoever is to run the jobs.
with quick as (select set_config('synchronous_commit', 'off', true))
select staged.ready, staged.next_in
from quick
cross join baton.stage_jobs(%(most)s::integer, %(queues)s::text[], %(spare)s::integer) as staged
