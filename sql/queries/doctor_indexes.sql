-- The indexes of Baton's tables: whether they are valid, and whether one that is not is just being
-- built. Locks nothing.
select
  index.relname,
  owner.relname,
  entry.indisvalid and entry.indisready,
  exists (
    select from pg_stat_progress_create_index as progress where progress.index_relid = index.oid
  )
from pg_index as entry
join pg_class as index on index.oid = entry.indexrelid
join pg_class as owner on owner.oid = entry.indrelid
join pg_namespace as namespace on namespace.oid = owner.relnamespace
where namespace.nspname = %(schema)s and owner.relname = any (%(tables)s)
order by index.relname
