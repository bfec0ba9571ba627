-- Budgets as they stand, those of queues first and then those of workflows, the newest first: of workflows
-- that execute, or of one thing when it is named. Locks nothing.
select
  standing.workflow_id, workflow.name, standing.queue, standing.max_cost, standing.max_tokens,
  standing.on_exceeded, standing.spent_cost, standing.spent_tokens, standing.reserved_cost,
  standing.reserved_tokens, held.jobs, standing.renews_at, budget.inserted_at, budget.updated_at
from (
  select each.*
  from baton.budgets as each
  left join baton.workflows as flow on flow.id = each.workflow_id
  where case
    when %(workflow_id)s::uuid is null and %(queue)s::text is null
      then each.queue is not null or flow.state = 'executing'
    else each.workflow_id = %(workflow_id)s::uuid or each.queue = %(queue)s::text
  end
  order by each.queue, each.id desc
  limit %(limit)s
) as budget
cross join lateral baton.budget_standing(array[budget.id]) as standing
left join baton.workflows as workflow on workflow.id = standing.workflow_id
cross join lateral (
  select count(*) as jobs
  from baton.budget_holds as hold
  join baton.jobs as job
    on job.id = hold.job_id and job.epoch = hold.epoch
  left join baton.workflow_waits as wait on wait.job_id = job.id and wait.woken_at is null
  where hold.budget_id = budget.id
    and (job.state = 'scheduled' or job.state = 'suspended' and wait.job_id is not null)
) as held
order by standing.queue, standing.id desc
