-- Sets up the session of a migration: it may take its time, and nothing that stands in the search path
-- of the user can take the place of what the SQL files mean. Locks nothing.
select
  set_config('statement_timeout', '0', false),
  set_config('search_path', 'pg_catalog', false)
