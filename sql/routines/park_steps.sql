-- Begins the waiting of steps whose gate has opened and that are no jobs. The caller holds the locks of
-- their jobs, and looks once this has committed whether what they wait for is there already. Calls
-- the timekeepers when there is a time to keep.
create or replace function baton.park_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  told bigint;
begin
  update baton.workflow_steps as step set parked_at = now() where step.job_id = any (ids);
  with waiting as (
    insert into baton.workflow_waits as wait (job_id, workflow_id, signal, until, on_timeout)
    select
      step.job_id, step.workflow_id, step.signal,
      greatest(job.scheduled_at, now()) + make_interval(secs => step.wait_seconds),
      case step.kind when 'sleep' then 'completed' else step.on_timeout::text end
    from baton.workflow_steps as step
    join baton.jobs as job on job.id = step.job_id
    where step.job_id = any (ids)
    on conflict (job_id) do update
    set
      signal = excluded.signal, until = excluded.until, on_timeout = excluded.on_timeout,
      inserted_at = now(), woken_at = null
    returning wait.until
  )
  select count(baton.notify('baton.control', 'due')) into told
  from waiting
  where waiting.until is not null;
end
$$;
