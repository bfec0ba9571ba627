-- Whether there is a table of grants, a row or none: an older schema has none. Locks nothing.
select 1 where to_regclass('baton.grants') is not null
