-- The time by the database's clock. Locks nothing.
select clock_timestamp()
