-- Adds steps to a workflow on behalf of one of its steps, which runs and goes on running. A claim that is
-- not the worker's any more raises. Locks the row of that job alone, and waits for it; what it adds
-- otherwise is in sql/routines/graft_steps.sql. New steps whose gate is to be looked at are owed to the
-- sweep, which is called for.
create or replace function baton.graft_job(
  lease bigint, job_id bigint, epoch bigint, plan jsonb,
  out added text[], out kept text[]
)
language plpgsql
as $$
declare
  flow uuid;
  graft record;
begin
  perform from baton.jobs as job
  where job.id = graft_job.job_id
    and (job.state, job.epoch, job.attempted_by)
      is not distinct from ('executing', graft_job.epoch, graft_job.lease)
  for no key update;
  if not found then
    raise exception 'job % is not executing under this claim any more', job_id
      using errcode = 'BT001';
  end if;
  select step.workflow_id into flow
  from baton.workflow_steps as step where step.job_id = graft_job.job_id;
  graft := baton.graft_steps(flow, job_id, plan, false, '{}');
  added := graft.added;
  kept := graft.kept;
  perform baton.owe_sweep(graft.unsure);
end
$$;
