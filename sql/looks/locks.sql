-- Sessions that wait for a lock on Baton's tables, and who holds it.
select
  waiting.pid,
  now() - waiting.query_start as waits_for,
  left(regexp_replace(waiting.query, '\s+', ' ', 'g'), 60) as query,
  pg_blocking_pids(waiting.pid) as held_by
from pg_stat_activity as waiting
where waiting.datname = current_database() and waiting.wait_event_type = 'Lock'
order by waiting.query_start
