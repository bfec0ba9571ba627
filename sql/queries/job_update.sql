-- Changes a job that job_lock.sql has locked in the same transaction; null leaves a column as it is.
-- A new time moves the job between available and scheduled. Another queue, or what divides the jobs
-- of its queue, gives it another partition, unless it executes and is counted where it began.
with changed as (
  update baton.jobs as job
  set
    state = given.state,
    queue = given.queue,
    worker = given.worker,
    args = given.args,
    meta = given.meta,
    tags = case
      when %(tags)s::text is null then job.tags
      else array(select jsonb_array_elements_text(%(tags)s::jsonb))
    end,
    priority = coalesce(%(priority)s::smallint, job.priority),
    max_attempts = coalesce(%(max_attempts)s::smallint, job.max_attempts),
    scheduled_at = given.scheduled_at,
    timeout = case when %(sets_timeout)s then %(timeout)s::double precision else job.timeout end,
    deadline = case when %(sets_deadline)s then %(deadline)s::timestamptz else job.deadline end,
    weight = coalesce(%(weight)s::smallint, job.weight),
    partition_key = case
      when given.state = 'executing' then job.partition_key
      else baton.partition_key(
        (select setting.partition_by from baton.queues as setting where setting.name = given.queue),
        given.worker, given.args, given.meta
      )
    end,
    unique_key = case when given.state = any (job.unique_states) then job.unique_key end
  from (
    select
      before.id,
      coalesce(%(queue)s::text, before.queue) as queue,
      coalesce(%(worker)s::text, before.worker) as worker,
      coalesce(%(args)s::jsonb, before.args) as args,
      coalesce(%(meta)s::jsonb, before.meta) as meta,
      coalesce(due.at, before.scheduled_at) as scheduled_at,
      case
        when due.at is null or before.state not in ('available', 'scheduled', 'retryable')
          then before.state
        when due.at <= now() then 'available'
        when before.state = 'available' then 'scheduled'
        else before.state
      end as state
    from baton.jobs as before
    cross join lateral (
      select coalesce(
        now() + make_interval(secs => %(delay)s::double precision), %(scheduled_at)s::timestamptz
      ) as at
    ) as due
    where before.id = %(id)s
  ) as given
  where job.id = given.id
  returning job.*
),
told as (
  select count(baton.notify('baton.jobs', changed.queue)) as queues
  from changed where changed.state = 'available'
),
warned as (
  -- it may be due before what the stagers sleep for
  select count(baton.notify('baton.control', 'due')) as words
  from changed where changed.state in ('scheduled', 'retryable')
)
select
  changed.id,
  changed.state::text,
  changed.queue,
  changed.worker,
  changed.args::text,
  changed.meta::text,
  to_json(changed.tags)::text as tags,
  changed.priority,
  changed.attempt,
  changed.max_attempts,
  changed.errors::text,
  changed.epoch,
  changed.inserted_at,
  changed.scheduled_at,
  changed.attempted_at,
  changed.completed_at,
  changed.discarded_at,
  changed.cancelled_at,
  changed.timeout,
  changed.deadline,
  changed.weight,
  told.queues + warned.words as told
from changed
cross join told
cross join warned
