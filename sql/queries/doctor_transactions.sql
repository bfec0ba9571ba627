-- What has kept vacuum from removing dead rows for longer than `seconds`, the oldest first: transactions
-- of this database, prepared ones, and replication slots that nobody reads. Without the role
-- pg_read_all_stats the transactions of others are not seen. Locks nothing.
select holder.kind, holder.name, holder.who, holder.seconds, holder.activity
from (
  select
    'transaction' as kind,
    pid::text as name,
    concat_ws(', ', 'user ' || usename, nullif(application_name, '')) as who,
    extract(epoch from clock_timestamp() - xact_start)::double precision as seconds,
    concat_ws(': ', state, left(regexp_replace(query, '\s+', ' ', 'g'), 60)) as activity
  from pg_stat_activity
  where datname = current_database()
    and pid <> pg_backend_pid()
    and backend_type = 'client backend'
    and coalesce(backend_xmin, backend_xid) is not null
  union all
  select
    'prepared transaction',
    gid,
    'user ' || owner::text,
    extract(epoch from clock_timestamp() - prepared)::double precision,
    'prepared'
  from pg_prepared_xacts
  where database = current_database()
  union all
  select 'replication slot', slot_name::text, coalesce(plugin::text, slot_type), null, 'inactive'
  from pg_replication_slots
  where coalesce(xmin, catalog_xmin) is not null and not active
) as holder
where holder.seconds is null or holder.seconds > %(seconds)s::double precision
order by holder.seconds desc nulls first
limit 10
