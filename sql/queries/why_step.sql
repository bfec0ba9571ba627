-- The job of a step. Locks nothing.
select step.job_id
from baton.workflow_steps as step
where step.workflow_id = %(id)s and step.step_name = %(name)s
