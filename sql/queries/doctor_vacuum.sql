-- Whether anything keeps autovacuum from Baton's tables, and how many transactions their oldest rows
-- are old. Locks nothing.
select
  owner.relname,
  current_setting('autovacuum'),
  current_setting('track_counts'),
  exists (
    select from pg_options_to_table(owner.reloptions) as option
    where option.option_name = 'autovacuum_enabled' and not option.option_value::boolean
  ),
  age(owner.relfrozenxid)
from pg_class as owner
join pg_namespace as namespace on namespace.oid = owner.relnamespace
where namespace.nspname = %(schema)s
  and owner.relname = any (%(tables)s)
  and owner.relkind = 'r'
order by owner.relname
