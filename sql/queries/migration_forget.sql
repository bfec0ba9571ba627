-- Notes that something was taken back. Runs under the lock of migrations_lock.sql.
delete from baton.migrations where name = %(name)s
