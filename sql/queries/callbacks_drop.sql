-- Drops the callbacks of workers that no process has registered for a day. Locks the rows that it
-- deletes.
delete from baton.workflow_callbacks as callback
where callback.id in (
  select old.id from baton.workflow_callbacks as old
  where old.inserted_at < clock_timestamp() - make_interval(secs => %(age)s::double precision)
    and old.worker <> all (%(workers)s::text[])
    and not exists (select from baton.leases as held where held.id = old.claimed_by)
  order by old.id
  limit %(most)s::integer
  for update skip locked
)
returning callback.worker
