-- All entries, or the one of a name, with the time by the database's clock. Locks nothing.
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
where %(name)s::text is null or cron.name = %(name)s::text
order by cron.name
