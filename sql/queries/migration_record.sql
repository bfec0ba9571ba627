-- Notes that something was applied. Runs under the lock of migrations_lock.sql.
insert into baton.migrations (name, checksum)
values (%(name)s, %(checksum)s)
on conflict (name) do update set checksum = excluded.checksum, applied_at = excluded.applied_at
