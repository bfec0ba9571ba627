-- Ends waiting steps that are not to run: they count as completed. The caller holds the locks of their
-- jobs, and follows what their end means once this has committed.
create or replace function baton.skip_steps(ids bigint[], why text) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  update baton.jobs as job
  set
    state = 'completed',
    completed_at = now(),
    unique_key = case when 'completed' = any (job.unique_states) then job.unique_key end
  where job.id = any (ids) and job.state = 'suspended';
  update baton.workflow_steps as step
  set outcome = 'completed', skipped = true, cause = why, finished_at = now()
  where step.job_id = any (ids);
end
$$;
