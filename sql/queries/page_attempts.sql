-- What the timeline of a workflow needs beside its steps: when a job is due, and its newest attempts that
-- failed, in their order: when each was due, claimed and over. An error without these is of no attempt.
-- Only for jobs where that says something. Locks nothing.
select
  job.id,
  job.scheduled_at,
  array(
    select array[tried.value ->> 'scheduled_at', tried.value ->> 'attempted_at', tried.value ->> 'at']
    from (
      select error.value, error.place
      from jsonb_array_elements(job.errors) with ordinality as error (value, place)
      where jsonb_typeof(error.value) = 'object' and error.value ? 'attempted_at'
      order by error.place desc
      limit %(most)s::integer
    ) as tried
    order by tried.place
  ) as tries,
  jsonb_array_length(job.errors) > %(most)s::integer as partial
from baton.workflow_steps as step
join baton.jobs as job on job.id = step.job_id
where step.workflow_id = %(id)s
  and (job.errors <> '[]' or job.scheduled_at > step.inserted_at)
order by job.id
limit 5000
