-- Ends what is open in the sub-workflows of the given steps where these have ended themselves: one that
-- was skipped before it began has its steps skipped; one that was cancelled, or skipped while it ran, has
-- them cancelled, those that run too, and those that would clean up. Sub-workflows of it go with it.
-- Must run in a transaction that began after theirs committed. Locks the jobs ascending by id and passes
-- over those that somebody else holds, and then in the same way the workflows, which are held by whoever
-- adds steps from outside: what is added later is refused, since no step is open. What is still open, was
-- grafted meanwhile, or is in other hands makes `complete` false, and the caller keeps its row of
-- workflow_releases.
create or replace function baton.end_subworkflows(
  ids bigint[], out skipped bigint[], out complete boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  holder record;
  locked bigint[];
  flows uuid[];
  kept uuid[];
begin
  skipped := '{}';
  complete := true;
  for holder in
    select
      step.step_name as name,
      step.subworkflow_id as flow,
      step.skipped and step.parked_at is null as spared,
      case when step.skipped then 'was skipped' else 'was ' || step.outcome end as fate
    from baton.workflow_steps as step
    where step.job_id = any (ids)
      and step.subworkflow_id is not null
      and (step.outcome <> 'completed' or step.skipped)
    order by step.job_id
  loop
    locked := array(
      select job.id from baton.jobs as job
      where job.id = any (array(select baton.open_steps(holder.flow)))
      order by job.id
      for no key update skip locked
    );
    if holder.spared then
      locked := array(
        select step.job_id from baton.workflow_steps as step
        join baton.jobs as job on job.id = step.job_id and job.state = 'suspended'
        where step.job_id = any (locked) and step.outcome is null
      );
      perform baton.skip_steps(
        locked, format('step %s, which is this workflow, was skipped', holder.name)
      );
      skipped := skipped || locked;
    else
      perform from baton.cancel_jobs(
        locked, format('step %s, which is this workflow, %s', holder.name, holder.fate)
      );
    end if;
    flows := array(select baton.workflow_family(holder.flow));
    kept := array(
      select workflow.id from baton.workflows as workflow
      where workflow.id = any (flows) and workflow.state <> all ('{completed, failed}')
      order by workflow.id
      for no key update skip locked
    );
    -- in a statement of its own, which sees what was committed before those locks were had
    complete := complete
      and not exists (select from baton.open_steps(holder.flow, 1))
      and not exists (
        select from baton.workflows as workflow
        where workflow.id = any (flows)
          and workflow.state <> all ('{completed, failed}')
          and workflow.id <> all (kept)
      );
  end loop;
end
$$;
