-- Names of cron entries, for a shell. Locks nothing.
select cron.name from baton.crons as cron order by cron.name limit %(most)s
