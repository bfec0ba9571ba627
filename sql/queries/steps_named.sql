-- Whether a workflow is there, and which of some steps it has, with the state of each. Locks nothing.
select workflow.id, step.step_name, coalesce(step.outcome, job.state, 'cancelled')::text
from baton.workflows as workflow
left join baton.workflow_steps as step
  on step.workflow_id = workflow.id and step.step_name = any (%(names)s::text[])
left join baton.jobs as job on job.id = step.job_id
where workflow.id = %(id)s
