-- Cancels jobs that have not ended. A job that executes is cancelled at once too, which refuses the
-- acknowledgement of its attempt, and the processes are told to stop the code. A step takes its
-- dependents with it: they are cancelled, or released, by the next sweep.
--   select * from baton.cancel_jobs('{41, 42}', 'the customer left');
-- `states`, when given, are the only ones in which a job is touched. Returns for each job that is
-- there the state it was in and whether it was cancelled.
-- Locks the jobs ascending by id in one statement, waiting for them, and writes in another, which
-- sees what they became meanwhile. A step's row is written under the lock of its job.
create or replace function baton.cancel_jobs(
  ids bigint[], reason text default null, states baton.job_state[] default null
)
returns table (id bigint, was baton.job_state, done boolean)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  told_reason text := coalesce(nullif(left(btrim(reason), 4000), ''), 'cancelled on request');
begin
  perform from baton.jobs as job
  where job.id = any (ids)
  order by job.id
  for no key update;

  return query
  with found as materialized (
    select job.id, job.state, job.queue from baton.jobs as job where job.id = any (ids)
  ),
  ended as (
    update baton.jobs as job
    set
      state = 'cancelled',
      cancelled_at = clock_timestamp(),
      unique_key = case when 'cancelled' = any (job.unique_states) then job.unique_key end,
      errors = job.errors || (
        case when found.state = 'executing'
          then jsonb_build_object(
            'scheduled_at', job.scheduled_at, 'attempted_at', job.attempted_at
          )
          else '{}'
        end || jsonb_build_object(
          'attempt', job.attempt, 'at', clock_timestamp(), 'kind', 'cancelled', 'message', told_reason
        )
      )
    from found
    where job.id = found.id
      and job.state = found.state
      and found.state not in ('completed', 'discarded', 'cancelled')
      and (states is null or found.state = any (states))
    returning job.id, found.state as was, job.queue
  ),
  noted as (
    update baton.workflow_steps as step
    set outcome = 'cancelled', cause = told_reason, finished_at = clock_timestamp()
    from ended
    where step.job_id = ended.id
    returning step.job_id
  ),
  kept as (
    -- old enough for the very next sweep, which is called for
    insert into baton.workflow_releases (job_ids, inserted_at)
    select array_agg(noted.job_id), '-infinity' from noted having count(*) > 0
    returning id
  ),
  called as (
    select count(baton.notify('baton.control', 'sweep')) as words from kept
  ),
  stopped as (
    -- a payload has at most 8,000 bytes; without ids everybody looks at all that they run
    select count(baton.notify('baton.control', case
      when length(running.list) < 7900 then 'cancel ' || running.list else 'cancel'
    end)) as words
    from (
      select string_agg(ended.id::text, ' ' order by ended.id) as list
      from ended where ended.was = 'executing'
    ) as running
    where running.list is not null
  ),
  told as (
    -- there is room again in a queue with a limit for all processes
    select count(baton.notify('baton.jobs', freed.queue)) as queues
    from (select distinct ended.queue from ended where ended.was = 'executing') as freed
  )
  -- not a join: this is looked up in a hash table, whatever joins the planner may use
  select found.id, found.state, found.id in (select ended.id from ended)
  from found
  cross join stopped
  cross join told
  cross join called
  order by found.id;
end
$$;
