-- Brings the entries of a program's code up to date. What people said about them, a pause, stays.
-- An entry whose times change begins anew: what the new times would have been before is none of its.
-- Entries of people that have the same name are left alone. Rows are locked ascending by name.
insert into baton.crons as cron (
  name, source, expression, timezone, worker, args, options, catch_up, inserted_at
)
select
  given.name,
  'code',
  given.expression,
  given.timezone,
  given.worker,
  given.args::jsonb,
  given.options::jsonb,
  given.catch_up,
  coalesce(%(now)s::timestamptz, clock_timestamp())
from unnest(
  %(names)s::text[],
  %(expressions)s::text[],
  %(timezones)s::text[],
  %(workers)s::text[],
  %(args)s::text[],
  %(options)s::text[],
  %(catch_ups)s::integer[]
) as given (name, expression, timezone, worker, args, options, catch_up)
order by given.name
on conflict (name) do update set
  expression = excluded.expression,
  timezone = excluded.timezone,
  worker = excluded.worker,
  args = excluded.args,
  options = excluded.options,
  catch_up = excluded.catch_up,
  last_tick_at = case
    when (cron.expression, cron.timezone) = (excluded.expression, excluded.timezone)
      then cron.last_tick_at
    when excluded.expression <> '@reboot'
      then greatest(cron.last_tick_at, coalesce(%(now)s::timestamptz, clock_timestamp()))
  end,
  updated_at = clock_timestamp()
where cron.source = 'code'
  and (cron.expression, cron.timezone, cron.worker, cron.args, cron.options, cron.catch_up)
    is distinct from (
      excluded.expression, excluded.timezone, excluded.worker, excluded.args, excluded.options,
      excluded.catch_up
    )
