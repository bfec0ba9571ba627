-- The names of the first steps of a workflow, for a hint at what was meant. Locks nothing.
select step.step_name
from baton.workflow_steps as step
where step.workflow_id = %(id)s
order by step.job_id
limit %(limit)s
