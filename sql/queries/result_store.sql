-- Stores the result of a step that is being performed, so that a further attempt completes at once.
-- Only while the job is executing under this claim: its row is locked first, waiting for a rescue or a
-- cancel, and looked at as it is then.
with held as (
  select job.id from baton.jobs as job
  where job.id = %(job_id)s
    and (job.state, job.epoch, job.attempted_by)
      is not distinct from ('executing', %(epoch)s::bigint, %(lease)s::bigint)
  for no key update
)
update baton.workflow_steps as step
set result = %(result)s::jsonb
from held
where step.job_id = held.id
returning step.job_id
