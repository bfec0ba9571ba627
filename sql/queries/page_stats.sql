-- What the attempts of a job used and cost, the first one first. Locks nothing.
select
  stats.attempt,
  stats.model,
  stats.calls,
  stats.input_tokens,
  stats.output_tokens,
  stats.cached_tokens,
  stats.reasoning_tokens,
  stats.cost::double precision,
  stats.duration_ms,
  stats.inserted_at
from baton.workflow_step_stats as stats
where stats.job_id = %(id)s
order by stats.attempt, stats.epoch, stats.ordinal
limit 100
