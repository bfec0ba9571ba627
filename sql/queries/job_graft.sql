-- Adds steps to the workflow of a step that runs; sql/routines/graft_job.sql says more.
select (graft).added, (graft).kept
from baton.graft_job(
  %(lease)s::bigint, %(job_id)s::bigint, %(epoch)s::bigint, %(plan)s::jsonb
) as graft
