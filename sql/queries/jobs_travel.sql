-- Brings the times of waiting jobs nearer: for a test, that is as good as a clock that goes on.
-- Locks jobs ascending by id.
with waiting as (
  select job.id
  from baton.jobs as job
  where job.state in ('available', 'scheduled', 'suspended', 'retryable')
  order by job.id
  for no key update
)
update baton.jobs as job
set
  scheduled_at = job.scheduled_at - make_interval(secs => %(seconds)s),
  deadline = job.deadline - make_interval(secs => %(seconds)s)
from waiting
where job.id = waiting.id
returning job.id
