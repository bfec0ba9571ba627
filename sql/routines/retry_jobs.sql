-- Runs jobs again, or now: completed, cancelled and discarded ones, and those that wait for their
-- time. One more attempt is allowed when all are used up; a deadline that has passed is dropped.
--   select * from baton.retry_jobs('{41, 42}');
-- A step forgets how it ended and what it returned, and its workflow runs again. While a dependency
-- of it is open, or has ended badly, it is suspended, and the next sweep decides about it: so a step
-- that is retried together with its dependencies runs after them. What was cancelled because of it waits
-- for it again.
-- `states`, when given, are the only ones in which a job is touched. Returns for each job that is
-- there the state it was in and whether it runs again.
-- Locks the jobs ascending by id in one statement, waiting for them, then looks in a new one; when that
-- concerns dependents too, the locks are given back and all are taken in order. Their workflows are
-- locked after.
create or replace function baton.retry_jobs(
  ids bigint[], states baton.job_state[] default null
)
returns table (id bigint, was baton.job_state, done boolean)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  known bigint[] := ids;
  chosen bigint[];
  concerned bigint[];
  woken bigint[];
begin
  loop
    begin
      perform from baton.jobs as job
      where job.id = any (known)
      order by job.id
      for no key update;
      chosen := array(
        select job.id from baton.jobs as job
        where job.id = any (ids)
          and job.state in ('completed', 'discarded', 'cancelled', 'scheduled', 'retryable')
          and (states is null or job.state = any (states))
      );
      select
        coalesce(array_agg(reached.job_id), '{}'),
        coalesce(
          array_agg(reached.job_id) filter (where reached.again and reached.job_id <> all (chosen)),
          '{}'
        )
      into concerned, woken
      from baton.retried_steps(chosen, 'woken') as reached;
      if exists (select unnest(concerned) except select unnest(known)) then
        raise exception 'dependents are concerned' using errcode = 'BA002';
      end if;
      exit;
    exception when sqlstate 'BA002' then
      known := known || concerned;
    end;
  end loop;

  perform baton.forget_steps(chosen || woken);
  perform baton.restart_steps(woken);

  return query
  with found as materialized (
    select job.id, job.state from baton.jobs as job where job.id = any (ids)
  ),
  ready as (
    select
      found.id,
      found.state as was,
      case
        when exists (
          select from baton.unmet_dependencies as unmet where unmet.child_id = found.id
        ) or exists (
          select from baton.workflow_steps as step
          where step.job_id = found.id and step.kind <> 'job'
        ) then 'suspended'::baton.job_state
        else 'available'::baton.job_state
      end as state
    from found
    where found.state in ('completed', 'discarded', 'cancelled', 'scheduled', 'retryable')
      and (states is null or found.state = any (states))
  ),
  begun as (
    update baton.jobs as job
    set
      state = ready.state,
      scheduled_at = clock_timestamp(),
      max_attempts = greatest(job.max_attempts, least(job.attempt + 1, 32767)),
      completed_at = null,
      discarded_at = null,
      cancelled_at = null,
      deadline = case when job.deadline > clock_timestamp() then job.deadline end,
      unique_key = case when ready.state = any (job.unique_states) then job.unique_key end
    from ready
    where job.id = ready.id and job.state = ready.was
    returning job.id, job.state, job.queue
  ),
  kept as (
    -- old enough for the very next sweep, which is called for; their ends will have rows of their own
    insert into baton.workflow_releases (job_ids, announced, inserted_at)
    select array_agg(begun.id), true, '-infinity' from begun where begun.state = 'suspended'
    having count(*) > 0
    returning id
  ),
  called as (
    select count(baton.notify('baton.control', 'sweep')) as words from kept
  ),
  told as (
    select count(baton.notify('baton.jobs', woken.queue)) as queues
    from (select distinct begun.queue from begun where begun.state = 'available') as woken
  )
  -- not a join: this is looked up in a hash table, whatever joins the planner may use
  select found.id, found.state, found.id in (select begun.id from begun)
  from found
  cross join told
  cross join called
  order by found.id;
end
$$;
