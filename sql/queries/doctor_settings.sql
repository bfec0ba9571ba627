-- Settings of the server, of the database and of the role, as they hold in this session. Locks nothing.
select
  current_setting('server_version_num')::integer,
  pg_is_in_recovery(),
  current_setting('default_transaction_read_only'),
  current_setting('default_transaction_isolation'),
  current_setting('fsync'),
  current_setting('full_page_writes'),
  current_setting('synchronous_commit'),
  current_setting('wal_level'),
  current_setting('server_encoding'),
  (select setting.setting::bigint from pg_settings as setting where setting.name = 'idle_session_timeout'),
  quote_ident(current_database())
