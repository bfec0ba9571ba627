-- Pauses an entry; one that is paused stays as it is. Waits for a job of it that is being inserted.
update baton.crons as cron
set
  paused_at = coalesce(cron.paused_at, clock_timestamp()),
  paused_by = case when cron.paused_at is null then %(by)s::text else cron.paused_by end,
  updated_at = clock_timestamp()
where cron.name = %(name)s
returning
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
