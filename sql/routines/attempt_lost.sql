-- Whether an attempt whose process has not said what became of it is over, and was in vain: the job was
-- cancelled under it, or it was killed, or its process died. It is not while it runs, nor when its job was
-- completed or suspended by it. Asked of rows of workflow_step_stats without a state only. Locks nothing.
create or replace function baton.attempt_lost(job bigint, claim bigint) returns boolean
language sql stable
as $$
  select not exists (
    select from baton.jobs as each
    where each.id = job
      and each.epoch = claim
      and each.state in ('executing', 'completed', 'suspended')
  )
$$;
