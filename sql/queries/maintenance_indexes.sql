-- The indexes of Baton's tables: their size, and what their entries would take in a new one, from
-- the average widths of the statistics; null when a fifth of the table changed since the last count.
-- A page has 8,152 bytes for entries and is filled to nine tenths; an entry has 12 bytes before its
-- columns. Text that repeats takes less than this, so the estimate is high and bloat is not seen
-- where there is none. Locks nothing.
select
  index.relname,
  owner.relname,
  pg_relation_size(index.oid),
  case
    when index.reltuples >= 0 and stat.n_mod_since_analyze <= 10000 + 0.2 * stat.n_live_tup
      then 16384 + (ceil(index.reltuples * (width.bytes + 12) / (8152 * 0.9)) * 8192)::bigint
  end,
  entry.indpred is not null and owner.relname = 'jobs',
  entry.indisvalid,
  exists (
    select from pg_stat_progress_create_index as progress where progress.index_relid = index.oid
  )
from pg_index as entry
join pg_class as index on index.oid = entry.indexrelid
join pg_class as owner on owner.oid = entry.indrelid
join pg_namespace as namespace on namespace.oid = owner.relnamespace
join pg_stat_user_tables as stat on stat.relid = owner.oid
cross join lateral (
  select ceil(sum(coalesce(stats.avg_width, 8)) / 8) * 8 as bytes
  from unnest(entry.indkey::smallint[]) as key (attnum)
  left join pg_attribute as attribute
    on attribute.attrelid = owner.oid and attribute.attnum = key.attnum
  left join pg_stats as stats
    on stats.schemaname = namespace.nspname
    and stats.tablename = owner.relname
    and stats.attname = attribute.attname
    and not stats.inherited
) as width
where namespace.nspname = %(schema)s
  and owner.relname = any (%(tables)s)
  and index.relkind = 'i'
order by pg_relation_size(index.oid) desc, index.relname
