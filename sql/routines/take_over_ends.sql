-- Ends the given open steps whose job has ended without them, or is gone: what somebody did by hand.
-- Returns those that it ended; the caller writes them into workflow_releases.
-- Locks the jobs ascending by id, and then the steps that have none, passing over what others hold;
-- looks again in a statement of its own.
create or replace function baton.take_over_ends(ids bigint[]) returns bigint[]
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  locked bigint[];
  orphans bigint[];
  ended bigint[];
begin
  locked := array(
    select job.id from baton.jobs as job
    where job.id = any (ids) and job.state in ('completed', 'discarded', 'cancelled')
    order by job.id
    for no key update skip locked
  );
  orphans := array(
    select step.job_id from baton.workflow_steps as step
    where step.job_id = any (ids)
      and step.outcome is null
      and not exists (select from baton.jobs as job where job.id = step.job_id)
    order by step.job_id
    for no key update skip locked
  );
  with noted as (
    update baton.workflow_steps as step
    set
      outcome = coalesce(own.state, 'cancelled'),
      cause = own.cause,
      finished_at = coalesce(own.finished_at, clock_timestamp())
    from (
      select
        job.id, job.state, baton.finished_at(job) as finished_at,
        case
          when job.state <> 'completed'
            then coalesce(job.errors -> -1 ->> 'message', format('its job was %s', job.state))
        end as cause
      from baton.jobs as job
      where job.id = any (locked) and job.state in ('completed', 'discarded', 'cancelled')
      union all
      select orphan.id, null, null, 'its job is gone' from unnest(orphans) as orphan (id)
    ) as own
    where step.job_id = own.id and step.outcome is null
    returning step.job_id
  )
  select coalesce(array_agg(noted.job_id), '{}') into ended from noted;
  return ended;
end
$$;
