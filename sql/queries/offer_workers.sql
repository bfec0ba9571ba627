-- Names of workers, for a shell: those of the newest jobs, and of cron entries. Locks nothing.
select known.worker
from (
  select recent.worker
  from (select job.worker from baton.jobs as job order by job.id desc limit 2000) as recent
  union select cron.worker from baton.crons as cron
) as known
order by known.worker
limit %(most)s
