-- The roles that were let in and still are: whoever may not use the schema any more, by name and
-- directly, was shut out, or is another role than the one that was meant. Locks nothing.
select known.role, known.access
from baton.grants as known
join pg_roles as role on role.rolname = known.role
where exists (
  select from pg_namespace as namespace
  cross join lateral aclexplode(namespace.nspacl) as given
  where namespace.oid = to_regnamespace(quote_ident(%(schema)s))
    and given.grantee = role.oid
    and given.privilege_type = 'USAGE'
)
order by known.role
