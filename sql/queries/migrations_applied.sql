-- What was applied. Locks nothing.
select name, checksum from baton.migrations order by name
