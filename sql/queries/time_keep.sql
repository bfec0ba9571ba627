-- Ends waits whose time is over; sql/routines/keep_time.sql says how. What a crash of the server undoes
-- is done again, so the commit does not wait for the disk.
with quick as (select set_config('synchronous_commit', 'off', true))
select kept.ended, kept.ready, kept.overdue, kept.next_in, kept.notices
from quick
cross join baton.keep_time(%(most)s::integer, %(announce)s::boolean) as kept
