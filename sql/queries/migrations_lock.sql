-- Waits until nobody else migrates this schema, and keeps others waiting until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('baton.migrations', 0))
