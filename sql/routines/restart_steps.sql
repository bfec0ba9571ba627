-- Runs steps anew, from their first attempt: those that ended, those that run, which are fenced and told
-- to stop, and those that wait for something outside. They are suspended until their gates open; where
-- one is open already the job is available at once. The caller holds the locks of their jobs and commits
-- soon: what else follows is for the next sweep, which is called for.
create or replace function baton.restart_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  told bigint;
begin
  if coalesce(cardinality(ids), 0) = 0 then
    return;
  end if;
  perform baton.forget_steps(ids);
  with ready as (
    select
      job.id,
      job.state as was,
      case
        when step.kind <> 'job'
          or exists (
            select from baton.unmet_dependencies as unmet where unmet.child_id = job.id
          )
          or baton.skip_cause(step) is not null
          then 'suspended'::baton.job_state
        else 'available'::baton.job_state
      end as state
    from baton.jobs as job
    join baton.workflow_steps as step on step.job_id = job.id
    where job.id = any (ids)
  ),
  begun as (
    update baton.jobs as job
    set
      state = ready.state,
      attempt = 0,
      scheduled_at = clock_timestamp(),
      completed_at = null,
      discarded_at = null,
      cancelled_at = null,
      deadline = case when job.deadline > clock_timestamp() then job.deadline end,
      unique_key = case when ready.state = any (job.unique_states) then job.unique_key end
    from ready
    where job.id = ready.id
    returning job.id, job.state, job.queue, ready.was
  ),
  kept as (
    -- old enough for the very next sweep, which is called for, and in portions: a look at 20,000 steps
    -- at once takes minutes where 20 looks at 1,000 take seconds. None has ended: one that does so before
    -- the sweep leaves a row of its own
    insert into baton.workflow_releases (job_ids, announced, inserted_at)
    select array_agg(waiting.id order by waiting.id), true, '-infinity'
    from (
      select begun.id, (row_number() over (order by begun.id) - 1) / 1000 as portion
      from begun where begun.state = 'suspended'
    ) as waiting
    group by waiting.portion
    returning id
  )
  select
    (select count(baton.notify('baton.control', 'sweep')) from kept)
    + (
      -- a payload has at most 8,000 bytes; without ids everybody looks at all that they run
      select count(baton.notify('baton.control', case
        when length(running.list) < 7900 then 'cancel ' || running.list else 'cancel'
      end))
      from (
        select string_agg(begun.id::text, ' ' order by begun.id) as list
        from begun where begun.was = 'executing'
      ) as running
      where running.list is not null
    )
    + (
      -- there is something to do, or room again in a queue with a limit for all processes
      select count(baton.notify('baton.jobs', woken.queue))
      from (
        select distinct begun.queue from begun
        where begun.state = 'available' or begun.was = 'executing'
      ) as woken
    )
  into told;
end
$$;
