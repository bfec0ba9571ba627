-- What keeps vacuum from removing dead rows, oldest first: transactions of this database, prepared
-- ones, replication slots and standbys with feedback. Without the role pg_read_all_stats the
-- transactions of others are not seen. Locks nothing.
select kind, who, since, age, activity
from (
  select
    'transaction' as kind,
    format(
      'pid %%s (user %%s, %%s)', pid, coalesce(usename, '?'), coalesce(nullif(application_name, ''), 'unnamed')
    ) as who,
    xact_start as since,
    greatest(age(backend_xmin), age(backend_xid)) as age,
    concat_ws(': ', state, left(regexp_replace(query, '\s+', ' ', 'g'), 60)) as activity
  from pg_stat_activity
  where datname = current_database()
    and pid <> pg_backend_pid()
    and backend_type = 'client backend'
    and coalesce(backend_xmin, backend_xid) is not null
  union all
  select 'prepared transaction', gid, prepared, age(transaction), owner::text
  from pg_prepared_xacts
  where database = current_database()
  union all
  select 'replication slot', slot_name::text, null, age(xmin), case when active then 'active' else 'inactive' end
  from pg_replication_slots
  where xmin is not null
  union all
  select 'standby', coalesce(nullif(application_name, ''), pid::text), backend_start, age(backend_xmin), state
  from pg_stat_replication
  where backend_xmin is not null
) as holder
order by age desc nulls last, since nulls first
limit 5
