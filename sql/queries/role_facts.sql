-- Whether there is a role of this name, and what it could do whatever is granted: one row, or none.
-- Locks nothing.
select
  role.rolsuper as superuser,
  not role.rolsuper and exists (
    select from pg_class as owned
    where owned.relnamespace = to_regnamespace(quote_ident(%(schema)s))
      and owned.relname = 'migrations'
      and pg_has_role(role.oid, owned.relowner, 'usage')
  ) as owner,
  not role.rolsuper
    and has_database_privilege(role.oid, current_database(), 'create') as may_create,
  has_database_privilege(role.oid, current_database(), 'connect') as may_connect
from pg_roles as role
where role.rolname = %(role)s
