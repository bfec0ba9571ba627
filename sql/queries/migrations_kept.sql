-- What migrations_session.sql is about to set, to be put back in a transaction that goes on. Locks nothing.
select
  current_setting('statement_timeout') as statement_timeout,
  current_setting('search_path') as search_path
