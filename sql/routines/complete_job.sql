-- Completes a job in the transaction of the worker that performs it, so that what the worker writes and
-- the completion commit together. A claim that is not the worker's any more raises: the transaction
-- can't commit then, whatever the program makes of the error. Waits for whoever has the job locked,
-- which is never long (a rescue, a cancel); but not when it was completed under this claim `before`,
-- because the transaction that did may be open, and wait for this one.
-- What the worker returned to be added to its workflow, `graft`, is added in the same transaction.
-- `release` is the row of workflow_releases that a cycle deletes, null for a plain job.
create or replace function baton.complete_job(
  lease bigint,
  job_id bigint,
  epoch bigint,
  result text,     -- JSON of the result to store, or null
  step boolean,    -- whether the job is a step of a workflow
  before boolean,
  graft jsonb,     -- as sql/routines/graft_steps.sql reads it, or null
  out release bigint
)
language plpgsql
as $$
declare
  finish record;
  flow uuid;
  unsure bigint[];
begin
  finish := baton.finish_jobs(
    lease, array[job_id], array[epoch], array['completed'::baton.job_state],
    array[0.0::double precision], array[false], array[null::text], array[result], array[step],
    array[not before]
  );
  if cardinality(finish.accepted) = 0 then
    raise exception 'job % is not executing under this claim any more', job_id
      using errcode = 'BT001';
  end if;
  release := finish.release;
  if graft is not null then
    select noted.workflow_id into flow
    from baton.workflow_steps as noted where noted.job_id = complete_job.job_id;
    select grafted.unsure into unsure
    from baton.graft_steps(flow, job_id, graft, true, '{}') as grafted;
    if cardinality(unsure) > 0 then
      update baton.workflow_releases as kept set job_ids = kept.job_ids || unsure
      where kept.id = finish.release;
    end if;
  end if;
end
$$;
