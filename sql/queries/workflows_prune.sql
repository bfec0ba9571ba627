-- Deletes workflows that nothing needs any more; sql/routines/prune_workflows.sql says how.
select pruned, unfinished
from baton.prune_workflows(
  %(age)s::double precision, %(log_age)s::double precision, %(pause)s, %(rest)s, %(most)s,
  %(stat_age)s::double precision
)
