-- What each step of a workflow used of language models; what a sub-workflow used counts for the step that it
-- is. Locks nothing.
with recursive family as (
  select %(id)s::uuid as id, null::text as step_name
  union all
  select step.subworkflow_id, coalesce(family.step_name, step.step_name)
  from family
  join baton.workflow_steps as step
    on step.workflow_id = family.id and step.subworkflow_id is not null
)
select
  coalesce(family.step_name, stat.step_name) as step_name,
  array_agg(distinct stat.worker) as workers,
  coalesce(array_agg(distinct stat.model) filter (where stat.model is not null), '{}') as models,
  count(*) filter (where stat.ordinal = 0) as attempts,
  coalesce(sum(stat.calls), 0) as calls,
  coalesce(sum(stat.input_tokens), 0) as input_tokens,
  coalesce(sum(stat.output_tokens), 0) as output_tokens,
  coalesce(sum(stat.cached_tokens), 0) as cached_tokens,
  coalesce(sum(stat.cache_write_tokens), 0) as cache_write_tokens,
  coalesce(sum(stat.reasoning_tokens), 0) as reasoning_tokens,
  sum(stat.cost) as cost,
  sum(stat.cost) filter (
    where coalesce(stat.state not in ('completed', 'suspended'), baton.attempt_lost(stat.job_id, stat.epoch))
  ) as failed_cost,
  coalesce(sum(stat.calls) filter (where stat.cost is null), 0) as unpriced_calls,
  coalesce(sum(stat.duration_ms), 0) / 1000 as duration
from family
join baton.workflow_step_stats as stat on stat.workflow_id = family.id
group by 1
order by min(stat.job_id)
