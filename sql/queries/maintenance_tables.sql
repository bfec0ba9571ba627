-- Sizes and dead rows of Baton's tables, largest first, as the statistics have them. Locks nothing.
select
  stat.relname,
  pg_total_relation_size(stat.relid),
  stat.n_live_tup,
  stat.n_dead_tup,
  stat.last_autovacuum,
  stat.last_vacuum
from pg_stat_user_tables as stat
where stat.schemaname = %(schema)s and stat.relname = any (%(tables)s)
order by pg_total_relation_size(stat.relid) desc, stat.relname
