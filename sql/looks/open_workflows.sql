-- Workflows that execute, the oldest first, with how many of their steps are open.
select
  workflow.id,
  workflow.name,
  now() - workflow.inserted_at as age,
  count(step.job_id) filter (where step.outcome is null) as open_steps,
  count(step.job_id) as steps
from (
  select * from baton.workflows where state = 'executing' order by inserted_at limit 50
) as workflow
left join baton.workflow_steps as step on step.workflow_id = workflow.id
group by workflow.id, workflow.name, workflow.inserted_at
order by workflow.inserted_at
