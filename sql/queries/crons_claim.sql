-- Moves entries on to their newest tick and returns the names of those that it moved: of several
-- processes that have read the same last_tick_at, one. The rows stay locked until its jobs are
-- inserted and the transaction ends. Rows that others hold are skipped, and those that have changed
-- since they were read are left alone; the process looks at them again. A process that stops in
-- between can't hold up the others: the server ends its transaction.
-- Locks entries ascending by name.
with bounded as (select set_config('idle_in_transaction_session_timeout', '5000', true)),
given as (
  select *
  from unnest(
    %(names)s::text[],
    %(expressions)s::text[],
    %(timezones)s::text[],
    %(seens)s::timestamptz[],
    %(ticks)s::timestamptz[]
  ) as given (name, expression, timezone, seen, tick)
),
held as (
  select cron.name, given.tick
  from baton.crons as cron
  join given on given.name = cron.name
  where cron.paused_at is null
    and cron.expression = given.expression
    and cron.timezone = given.timezone
    and cron.last_tick_at is not distinct from given.seen
    and coalesce(given.tick > cron.last_tick_at, given.tick >= cron.inserted_at)
  order by cron.name
  for no key update of cron skip locked
)
update baton.crons as cron
set last_tick_at = held.tick
from held, bounded
where cron.name = held.name
returning cron.name
