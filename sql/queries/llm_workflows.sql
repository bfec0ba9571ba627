-- What each workflow used of language models within a time, the dearest first. Locks nothing.
select
  stat.workflow_id,
  (select workflow.name from baton.workflows as workflow where workflow.id = stat.workflow_id) as name,
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
from baton.workflow_step_stats as stat
where stat.inserted_at >= coalesce(%(since)s::timestamptz, '-infinity')
  and stat.inserted_at < coalesce(%(until)s::timestamptz, 'infinity')
  and stat.workflow_id is not null
group by stat.workflow_id
order by sum(stat.cost) desc nulls last, stat.workflow_id
limit %(limit)s
