-- Acknowledges attempts that completed, with nothing to be noted about their jobs: what
-- finish_jobs does, for what most jobs come to. Returns the ids whose claim was not this lease's any
-- more. The ids are ascending and joined to the table by its primary key, whichever side the planner
-- begins with, so the rows are locked in that order while they are written; with others to be locked as
-- well the caller locks them all before. Waits for who has one locked, which is never long.
create or replace function baton.complete_jobs(
  lease bigint, ids bigint[], epochs bigint[], out refused bigint[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  done bigint[];
begin
  with completed as (
    update baton.jobs as job
    set
      state = 'completed',
      unique_key = case when 'completed' = any (job.unique_states) then job.unique_key end,
      completed_at = clock_timestamp(),
      discarded_at = null,
      cancelled_at = null
    from unnest(ids, epochs) as ack (id, epoch)
    where job.id = ack.id
      -- a case over both sides; sql/routines/finish_jobs.sql says why
      and case
        when job.epoch = ack.epoch then job.state = 'executing' and job.attempted_by = lease
      end
    returning job.id
  )
  select array_agg(completed.id) into done from completed;
  refused := case
    when cardinality(done) = cardinality(ids) then '{}'
    else array(select unnest(ids) except select unnest(done))
  end;
end
$$;
