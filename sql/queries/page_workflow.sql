-- What the page of a workflow shows beside its steps: which step of another workflow it is, and what it was
-- inserted with. Locks nothing.
select
  parent.workflow_id,
  outer_flow.name,
  parent.step_name,
  workflow.deadline,
  workflow.tags,
  workflow.context::text,
  workflow.unique_key,
  workflow.template,
  workflow.template_version
from baton.workflows as workflow
left join baton.workflow_steps as parent on parent.job_id = workflow.parent_job_id
left join baton.workflows as outer_flow on outer_flow.id = parent.workflow_id
where workflow.id = %(id)s
