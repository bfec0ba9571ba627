-- Adds an entry, unless the name is taken, and tells the schedulers.
with added as (
  insert into baton.crons as cron (
    name, expression, timezone, worker, args, options, catch_up, paused_at
  )
  values (
    %(name)s,
    %(expression)s,
    %(timezone)s,
    %(worker)s,
    %(args)s::jsonb,
    %(options)s::jsonb,
    %(catch_up)s,
    case when %(paused)s::boolean then clock_timestamp() end
  )
  on conflict (name) do nothing
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
told as (select count(baton.notify('baton.control', 'crons')) from added)
select added.* from added cross join told
