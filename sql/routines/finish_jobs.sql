-- Acknowledges a batch of attempts: the half of a cycle that must reach the disk, and the half that
-- may run inside a user's own transaction. Locks the jobs ascending by id in one statement, then
-- writes in another; an attempt whose job is no longer executing under this lease and epoch is stale
-- and is left out of `accepted`. A step's row is written under the lock of its job.
-- Jobs that somebody else has locked are waited for, except those without `waits`: a transaction in
-- which a worker completes its job may stay open for any time, and must not hold up its process. Such
-- a job is left alone and returned in `held`, for the caller to try again. What is neither locked nor
-- held can't pass the fence any more, so the write waits for nobody.
-- `also` are jobs that the caller writes next, in the same transaction: they are locked here with the
-- others, in one order.
-- The fence is a `case` over both sides. As three conditions the planner would take those on the job
-- alone for the choice of one row in the whole table, and begin there.
create or replace function baton.finish_jobs(
  lease bigint,
  ids bigint[],
  epochs bigint[],
  states baton.job_state[],
  delays double precision[],   -- seconds until a scheduled or retryable job is due
  refunds boolean[],           -- whether the attempt is given back
  errors text[],               -- JSON of the error to append, or null
  results text[],              -- JSON of the result to store, or null
  steps boolean[],             -- whether the job is a step of a workflow
  waits boolean[] default null,  -- whether to wait for who has it locked; null: for all
  notes text[] default null,     -- JSON of what else is to be known, or null: that it was skipped, why,
                                 -- or what it waits for (signal, seconds, on_timeout)
  also bigint[] default '{}',
  out accepted bigint[],
  out release bigint,
  out ended bigint[],
  out held bigint[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  told bigint;
  locked bigint[];
begin
  perform from baton.jobs as job
  where job.id = any (
    also || case when false = any (waits) then array(
      select ack.id from unnest(ids, waits) as ack (id, wait) where ack.wait
    ) else ids end
  )
  order by job.id
  for no key update;

  held := '{}';
  if false = any (waits) then
    locked := array(
      select job.id from baton.jobs as job
      where job.id = any (ids)
      order by job.id
      for no key update skip locked
    );
    held := array(
      select ack.id
      from unnest(ids, epochs) as ack (id, epoch)
      join baton.jobs as job on job.id = ack.id
      where ack.id <> all (locked)
        and case
          when job.epoch = ack.epoch then job.state = 'executing' and job.attempted_by = lease
        end
    );
  end if;

  with ack as (
    select *
    from unnest(ids, epochs, states, delays, refunds, errors, results, steps, notes)
      as ack (id, epoch, state, delay, refund, error, result, step, note)
    where held = '{}' or ack.id <> all (held)
  ),
  done as (
    update baton.jobs as job
    set
      state = ack.state,
      unique_key = case when ack.state = any (job.unique_states) then job.unique_key end,
      attempt = case when ack.refund then greatest(job.attempt - 1, 0) else job.attempt end,
      scheduled_at = case
        when ack.state in ('scheduled', 'retryable')
          then clock_timestamp() + make_interval(secs => ack.delay)
        else job.scheduled_at
      end,
      completed_at = case when ack.state = 'completed' then clock_timestamp() end,
      discarded_at = case when ack.state = 'discarded' then clock_timestamp() end,
      cancelled_at = case when ack.state = 'cancelled' then clock_timestamp() end,
      errors = case
        when ack.error is null then job.errors
        else job.errors || (
          jsonb_build_object(
            'attempt', job.attempt,
            'scheduled_at', job.scheduled_at,
            'attempted_at', job.attempted_at,
            'at', clock_timestamp()
          ) || ack.error::jsonb
        )
      end,
      meta = case
        when ack.refund and ack.state in ('scheduled', 'suspended') and ack.note is null
          then job.meta || jsonb_build_object('snoozed', case
            when jsonb_typeof(job.meta -> 'snoozed') = 'number'
              then (job.meta -> 'snoozed')::bigint + 1
            else 1
          end)
        else job.meta
      end
    from ack
    where job.id = ack.id
      and case
        when job.epoch = ack.epoch then job.state = 'executing' and job.attempted_by = lease
      end
    returning
      job.id, job.state, job.queue, ack.step,
      coalesce(ack.error::jsonb ->> 'message', ack.note::jsonb ->> 'cause') as cause,
      ack.result, ack.note::jsonb as note
  ),
  noted as (
    update baton.workflow_steps as step
    set
      outcome = done.state,
      skipped = coalesce((done.note ->> 'skipped')::boolean, false),
      cause = done.cause,
      result = coalesce(done.result::jsonb, step.result),
      finished_at = clock_timestamp()
    from done
    where step.job_id = done.id
      and done.step
      and done.state in ('completed', 'discarded', 'cancelled')
    returning step.job_id
  ),
  parked as (
    update baton.workflow_steps as step
    set parked_at = clock_timestamp()
    from done
    where step.job_id = done.id and done.state = 'suspended' and done.note ? 'seconds'
    returning step.job_id, step.workflow_id, done.note
  ),
  waiting as (
    insert into baton.workflow_waits as wait (job_id, workflow_id, signal, until, on_timeout)
    select
      parked.job_id, parked.workflow_id, parked.note ->> 'signal',
      clock_timestamp() + make_interval(secs => (parked.note ->> 'seconds')::double precision),
      'resume'
    from parked
    on conflict (job_id) do update
    set
      signal = excluded.signal, until = excluded.until, on_timeout = excluded.on_timeout,
      inserted_at = excluded.inserted_at, woken_at = null,
      heard = case
        when exists (
          select from baton.workflow_signals as said
          where said.workflow_id = wait.workflow_id
            and said.name = wait.signal
            and said.sent_at <= wait.woken_at
        ) then array_remove(wait.heard, wait.signal) || wait.signal
        else wait.heard
      end
    returning wait.until
  ),
  owed as (
    select job_id as id from noted
    union all
    select done.id from done where done.step and done.state = 'suspended'
  ),
  kept as (
    insert into baton.workflow_releases (job_ids)
    select array_agg(owed.id) from owed having count(*) > 0
    returning id, job_ids
  )
  select
    coalesce((select array_agg(done.id) from done), '{}'),
    (select kept.id from kept),
    coalesce((select kept.job_ids from kept), '{}'),
    (
      select count(baton.notify('baton.jobs', given_back.queue))
      from (select distinct done.queue from done where done.state = 'available') as given_back
    )
    + (
      select count(baton.notify('baton.control', 'due')) from waiting where waiting.until is not null
    )
  into accepted, release, ended, told;
end
$$;
