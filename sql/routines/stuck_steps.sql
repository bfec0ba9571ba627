-- What is wrong with the given open steps, those with which something is:
--   job_gone    it has no job any more
--   job_ended   its job has ended, and it did not notice
--   wait_gone   it is parked, and there is nothing that it waits for
--   wait_over   it is parked, and what it waits for is there
--   hopeless    a dependency is gone or ended badly, and it was not cancelled
--   ready       nothing keeps its gate closed, and it was not opened
-- The last three are what a healthy system is about to see to by itself, so they are said only when
-- what the step waits for has not changed for `age` seconds. Locks nothing.
create or replace function baton.stuck_steps(ids bigint[], age double precision)
returns table (job_id bigint, finding text)
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select judged.job_id, judged.finding
  from (
    select
      step.job_id,
      step.inserted_at,
      case
        when job.id is null then 'job_gone'
        when job.state in ('completed', 'discarded', 'cancelled') then 'job_ended'
        when job.state <> 'suspended' then null
        when step.parked_at is not null then case
          when not exists (
            select from baton.workflow_waits as wait
            where wait.job_id = step.job_id and wait.woken_at is null
          ) then 'wait_gone'
          when step.job_id in (select over.job_id from baton.ended_waits(ids) as over)
            then 'wait_over'
        end
        when exists (
          select from baton.unmet_dependencies as unmet
          where unmet.child_id = step.job_id and unmet.poisons
        ) then 'hopeless'
        when (
          select unmet.parent_id from baton.unmet_dependencies as unmet
          where unmet.child_id = step.job_id
          order by unmet.parent_id desc
          limit 1
        ) is null then 'ready'
      end as finding
    from baton.workflow_steps as step
    left join baton.jobs as job on job.id = step.job_id
    where step.job_id = any (ids) and step.outcome is null
  ) as judged
  where judged.finding in ('job_gone', 'job_ended', 'wait_gone')
    or judged.finding is not null
      and coalesce(
        greatest(baton.awaited_at(judged.job_id), judged.inserted_at)
          <= clock_timestamp() - make_interval(secs => age),
        true
      )
$$;
