-- The functions and procedures of these names, as `drop routine` wants them: qualified, because the
-- search path has nothing but pg_catalog. Locks nothing.
select routine.oid::regprocedure::text, routine.proname
from pg_proc as routine
where routine.pronamespace = to_regnamespace(quote_ident(%(schema)s))
  and routine.proname = any (%(names)s::text[])
  and routine.prokind in ('f', 'p')
