-- Puts back what migrations_session.sql has set, for the rest of somebody else's transaction.
select
  set_config('statement_timeout', %(statement_timeout)s, true),
  set_config('search_path', %(search_path)s, true)
