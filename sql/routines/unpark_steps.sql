-- Has parked steps that wait for nothing begin their wait anew: their gate is looked at again. Locks
-- their jobs ascending by id, passing over what others hold; looks again in a statement of its own.
create or replace function baton.unpark_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  locked bigint[];
begin
  locked := array(
    select job.id from baton.jobs as job
    where job.id = any (ids) and job.state = 'suspended'
    order by job.id
    for no key update skip locked
  );
  update baton.workflow_steps as step
  set parked_at = null
  where step.job_id = any (locked)
    and step.outcome is null
    and step.parked_at is not null
    and not exists (
      select from baton.workflow_waits as wait
      where wait.job_id = step.job_id and wait.woken_at is null
    );
end
$$;
