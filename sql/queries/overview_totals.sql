-- The time by the database's clock, and how many processes are alive. Locks nothing.
select now(), count(*) filter (where lease.expires_at > now()) from baton.leases as lease
