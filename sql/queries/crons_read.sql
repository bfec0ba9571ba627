-- What the scheduler of a process has to look at: the entries that are not paused, those of code only
-- when its program registers them; the time by the database's clock; and since when the oldest of
-- the living processes has been there. One row without an entry when there is none. Locks nothing.
select
  clock.now,
  (select min(lease.started_at) from baton.leases as lease where lease.expires_at > clock.now)
    as oldest,
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
from (select coalesce(%(now)s::timestamptz, clock_timestamp()) as now) as clock
left join baton.crons as cron
  on cron.paused_at is null and (cron.source = 'database' or cron.name = any (%(known)s::text[]))
order by cron.name
