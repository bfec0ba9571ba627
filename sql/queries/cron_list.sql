-- The entries by name, in pages, or the one of a name, with the time by the database's clock: `after` is
-- the last one of the page before. Conditions of a filter stand where it is marked. Locks nothing.
select
  clock_timestamp() as now,
  cron.name,
  cron.source,
  cron.expression,
  cron.timezone,
  cron.worker,
  cron.args::text,
  cron.options::text,
  cron.catch_up,
  cron.paused_at,
  cron.paused_by,
  cron.last_tick_at,
  cron.inserted_at,
  cron.updated_at
from baton.crons as cron
where (%(name)s::text is null or cron.name = %(name)s::text)
  and cron.name > coalesce(%(after)s::text, '')
  /* filter */
order by cron.name
limit %(limit)s::bigint
