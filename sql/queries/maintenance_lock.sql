-- Makes sure that one session at a time rebuilds indexes of this schema, for as long as it is connected:
-- what another is just building looks like what an interrupted one left.
select pg_try_advisory_lock(hashtextextended('baton.maintenance', 0))
