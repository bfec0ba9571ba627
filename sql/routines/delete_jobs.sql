-- Deletes jobs, but none that executes. The step of a deleted job stays: one that had not ended is
-- cancelled, and takes its dependents with it in the next sweep.
--   select * from baton.delete_jobs('{41, 42}');
-- `states`, when given, are the only ones in which a job is touched. Returns for each job that was
-- there the state it was in and whether it was deleted.
-- Locks the jobs ascending by id in one statement, waiting for them, and writes in another, which
-- sees what they became meanwhile. A step's row is written under the lock of its job.
create or replace function baton.delete_jobs(
  ids bigint[], states baton.job_state[] default null
)
returns table (id bigint, was baton.job_state, done boolean)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  perform from baton.jobs as job
  where job.id = any (ids)
  order by job.id
  for update;

  return query
  with found as materialized (
    select job.id, job.state from baton.jobs as job where job.id = any (ids)
  ),
  gone as (
    delete from baton.jobs as job
    using found
    where job.id = found.id
      and job.state = found.state
      and found.state <> 'executing'
      and (states is null or found.state = any (states))
    returning job.id
  ),
  noted as (
    update baton.workflow_steps as step
    set outcome = 'cancelled', cause = 'its job was deleted', finished_at = clock_timestamp()
    from gone
    where step.job_id = gone.id and step.outcome is null
    returning step.job_id
  ),
  kept as (
    -- old enough for the very next sweep, which is called for
    insert into baton.workflow_releases (job_ids, inserted_at)
    select array_agg(noted.job_id), '-infinity' from noted having count(*) > 0
    returning id
  ),
  called as (
    select count(baton.notify('baton.control', 'sweep')) as words from kept
  )
  -- not a join: this is looked up in a hash table, whatever joins the planner may use
  select found.id, found.state, found.id in (select gone.id from gone)
  from found
  cross join called
  order by found.id;
end
$$;
