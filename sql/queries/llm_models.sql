-- What each language model was used for within a time, the dearest first. An attempt has two rows of a
-- model when some of its calls had a price and some had none, or another one: it counts once. Only rows
-- that are not the first of their attempt look for another. Locks nothing.
select
  stat.model,
  stat.provider,
  count(*) filter (
    where stat.ordinal = 0 or not exists (
      select from baton.workflow_step_stats as earlier
      where earlier.job_id = stat.job_id
        and earlier.epoch = stat.epoch
        and earlier.lease = stat.lease
        and earlier.ordinal < stat.ordinal
        and earlier.model is not distinct from stat.model
        and earlier.provider is not distinct from stat.provider
    )
  ) as attempts,
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
  and stat.calls > 0
group by stat.model, stat.provider
order by sum(stat.cost) desc nulls last, calls desc, stat.model, stat.provider
