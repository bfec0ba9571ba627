-- How many connections the server allows to those who are no superusers, how many are taken, and how
-- many worker processes are alive. Locks nothing.
select
  current_setting('max_connections')::integer
    - current_setting('superuser_reserved_connections')::integer,
  (select count(*) from pg_stat_activity where backend_type = 'client backend'),
  (select count(*) from baton.leases as lease where lease.expires_at > now())
