-- What must be known of a schema before it is migrated: whether its name is a keyword, which no
-- statement could use unquoted (those of PL/pgSQL are not all keywords of SQL), whether it exists, and
-- whether it was migrated before. Locks nothing.
select
  %(schema)s in ('begin', 'by', 'declare', 'execute', 'foreach', 'if', 'loop', 'strict', 'while')
    or %(schema)s in (select word from pg_get_keywords() where catcode <> 'U') as reserved,
  to_regnamespace(quote_ident(%(schema)s)) is not null as present,
  to_regclass(quote_ident(%(schema)s) || '.migrations') is not null as migrated
