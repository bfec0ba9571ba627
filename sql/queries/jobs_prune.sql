-- Deletes finished jobs as rules say; sql/routines/prune_jobs.sql says how.
select examined, pruned, unfinished
from baton.prune_jobs(%(rules)s::jsonb, %(pause)s, %(rest)s, %(most)s)
