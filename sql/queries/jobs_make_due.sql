-- Makes the scheduled and retryable jobs of a queue available that are due now, or until a later time,
-- or all of them; those of `performed` are left alone. A test that drains a queue does it; `early`
-- tells those that were not due. Locks jobs ascending by id, skipping rows that others hold.
-- unique_key goes when the job leaves the states in which it excludes others.
with due as (
  select job.id
  from baton.jobs as job
  where job.state in ('scheduled', 'retryable')
    and job.queue = %(queue)s::text
    and (
      %(everything)s::boolean
      or job.scheduled_at <= greatest(clock_timestamp(), %(until)s::timestamptz)
    )
    and job.id <> all (%(performed)s::bigint[])
  order by job.id
  for no key update skip locked
)
update baton.jobs as job
set
  state = 'available',
  unique_key = case when 'available' = any (job.unique_states) then job.unique_key end
from due
where job.id = due.id
returning job.scheduled_at > clock_timestamp() as early
