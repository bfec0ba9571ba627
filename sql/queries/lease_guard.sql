-- Holds an advisory lock until this connection ends: a rescuer that finds it free knows that the
-- process is gone. Tries and does not wait: after a reconnect the old session may hold it still, and
-- that too says that the process lives. The first key keeps schemas apart.
select pg_try_advisory_lock(hashtext('baton.leases'), (%(lease)s::bigint %% 2147483647)::integer)
