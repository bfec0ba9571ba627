-- What a retry of a workflow concerns, as it stands now: its failed steps, those of the given names and
-- everything after them, or all. `verdict` says what becomes of each step: again (it forgets how it
-- ended and runs anew), removed (it was grafted by one of these and is taken out of the workflow), gone
-- (it would run, but its job was deleted), waits (it has not begun and only goes
-- on waiting). What is shown to people before a retry is this, and so is what a retry does. Locks
-- nothing.
create or replace function baton.retry_plan(flow uuid, names text[] default null, everything boolean default false)
returns table (job_id bigint, workflow_id uuid, step_name text, was text, verdict text)
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  seeds bigint[];
begin
  if names is not null then
    seeds := array(
      select step.job_id from baton.workflow_steps as step
      where step.workflow_id = flow and step.step_name = any (names)
    );
  elsif everything then
    seeds := array(
      select step.job_id
      from baton.workflow_family(flow) as family (id)
      join baton.workflow_steps as step on step.workflow_id = family.id
    );
  else
    -- not into sub-workflows that were skipped: what was cancelled in those has not failed
    seeds := array(
      with recursive family (id) as (
        select flow
        union
        select step.subworkflow_id
        from family
        join baton.workflow_steps as step
          on step.workflow_id = family.id
          and step.subworkflow_id is not null
          and step.outcome is distinct from 'completed'
      )
      select step.job_id
      from family
      join baton.workflow_steps as step on step.workflow_id = family.id
      where step.outcome in ('discarded', 'cancelled')
    );
  end if;
  return query
  select
    step.job_id,
    step.workflow_id,
    step.step_name,
    coalesce(step.outcome, job.state)::text,
    case
      when reached.removed then 'removed'
      when job.id is null then 'gone'
      when step.outcome is null and step.parked_at is null and job.state = 'suspended' then 'waits'
      else 'again'
    end
  from baton.retried_steps(
    seeds, case when everything or names is not null then 'all' else 'failed' end
  ) as reached
  join baton.workflow_steps as step on step.job_id = reached.job_id
  left join baton.jobs as job on job.id = reached.job_id;
end
$$;
