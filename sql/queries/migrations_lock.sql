-- Waits until nobody else migrates this schema, and keeps others waiting until the session ends.
select pg_advisory_lock(hashtextextended('baton.migrations', 0))
