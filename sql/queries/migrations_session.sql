-- Sets up a transaction of a migration: it may take its time, and nothing that stands in the search
-- path of the user can take the place of what the SQL files mean. Only until the transaction ends: the
-- session may be a pooler's. Locks nothing.
select
  set_config('statement_timeout', '0', true),
  set_config('search_path', 'pg_catalog', true)
