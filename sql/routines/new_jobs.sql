-- What is asked for, as arrays, in the form in which it is inserted at the time `present`: one row a
-- job, numbered in the order of the arrays. Locks nothing. Inlined into the statements that read it.
create or replace function baton.new_jobs(
  present timestamptz,
  queues text[],
  workers text[],
  args text[],                 -- JSON objects
  metas text[],                -- JSON objects
  tags text[],                 -- JSON arrays of texts
  priorities smallint[],
  max_attempts smallint[],
  scheduled_ats timestamptz[], -- null: now, or after the delay
  delays double precision[],   -- in seconds; null: none
  timeouts double precision[],
  deadlines timestamptz[],
  weights smallint[],
  uniques text[],              -- JSON objects as baton.insert_job completes them; null: not unique
  suspended boolean[]          -- whether it waits for dependencies; null: no
) returns setof baton.new_job
language sql stable
as $$
  select
    given.ordinal,
    begin.state,
    given.queue,
    given.worker,
    given.args::jsonb,
    given.meta::jsonb,
    case
      when given.tags = '[]' then '{}'
      else array(select jsonb_array_elements_text(given.tags::jsonb))
    end,
    given.priority,
    given.max_attempts,
    due.at,
    given.timeout,
    given.deadline,
    given.weight,
    case
      when setting.partition_by is not null then baton.partition_key(
        setting.partition_by, given.worker, given.args::jsonb, given.meta::jsonb
      )
    end,
    case
      when begin.state = any (unique_by.states) then baton.unique_key(
        given.unique_by::jsonb, given.queue, given.worker, given.args::jsonb, given.meta::jsonb
      )
    end,
    unique_by.states,
    given.unique_by::jsonb
  from unnest(
    queues, workers, args, metas, tags, priorities, max_attempts, scheduled_ats, delays, timeouts,
    deadlines, weights, uniques, suspended
  ) with ordinality as given (
    queue, worker, args, meta, tags, priority, max_attempts, scheduled_at, delay, timeout,
    deadline, weight, unique_by, suspended, ordinal
  )
  cross join lateral (
    select coalesce(
      given.scheduled_at, present + make_interval(secs => given.delay), present
    ) as at
  ) as due
  cross join lateral (
    select case
      when given.suspended then 'suspended'::baton.job_state
      when due.at > present then 'scheduled'::baton.job_state
      else 'available'::baton.job_state
    end as state
  ) as begin
  cross join lateral (
    select case
      when given.unique_by is not null then array(
        select jsonb_array_elements_text(given.unique_by::jsonb -> 'states')::baton.job_state
      )
    end as states
  ) as unique_by
  left join baton.queues as setting on setting.name = given.queue
$$;
