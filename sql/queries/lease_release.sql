-- Gives a lease back; whatever is still executing under it is rescued at once.
delete from baton.leases where id = %(lease)s
