-- How large the tables are with their indexes, and how many dead rows they hold.
select
  stat.relname as table_name,
  pg_size_pretty(pg_total_relation_size(stat.relid)) as total,
  pg_size_pretty(pg_indexes_size(stat.relid)) as indexes,
  stat.n_live_tup as rows,
  stat.n_dead_tup as dead_rows,
  stat.last_autovacuum
from pg_stat_user_tables as stat
where stat.schemaname = (
  select relnamespace::regnamespace::text from pg_class where oid = 'baton.jobs'::regclass
)
order by pg_total_relation_size(stat.relid) desc
