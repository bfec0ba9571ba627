-- Notes what a role was given, or forgets it when that is nothing. Runs under the lock of
-- migrations_lock.sql, so that nobody else does.
with forgotten as (
  delete from baton.grants where role = %(role)s and %(access)s::text is null
)
insert into baton.grants (role, access)
select %(role)s, %(access)s::text
where %(access)s::text is not null
on conflict (role) do update set access = excluded.access, granted_at = clock_timestamp()
