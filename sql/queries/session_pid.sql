-- The process of the server that serves this session: another one than the connection was told of
-- when a pooler stands between. Locks nothing.
select pg_backend_pid()
