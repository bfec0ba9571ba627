-- What was used of language models on each day within a time, in a time zone. Locks nothing.
select
  (stat.inserted_at at time zone %(timezone)s::text)::date as day,
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
group by 1
order by 1
