-- Which of these tables and views a schema has. Locks nothing.
select relation.relname
from pg_class as relation
where relation.relnamespace = to_regnamespace(quote_ident(%(schema)s))
  and relation.relname = any (%(names)s::text[])
  and relation.relkind in ('r', 'p', 'v')
