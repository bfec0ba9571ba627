-- Resumes an entry and tells the schedulers. The ticks of the pause count as dealt with.
with resumed as (
  update baton.crons as cron
  set
    paused_at = null,
    paused_by = null,
    last_tick_at = case
      when cron.paused_at is null then cron.last_tick_at
      else greatest(cron.last_tick_at, clock_timestamp())
    end,
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
),
told as (select count(baton.notify('baton.control', 'crons')) from resumed)
select resumed.* from resumed cross join told
