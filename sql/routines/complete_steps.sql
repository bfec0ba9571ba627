-- What a completed attempt means to a step beyond its job, for steps with nothing to be noted but what
-- they returned: the rest of what finish_jobs does. Must follow complete_jobs in the same transaction,
-- which has locked the jobs and says which of them were `refused`: a step's row is written under the
-- lock of its job. `release` is the row of workflow_releases that the caller is to advance after the
-- commit: that which this transaction has inserted before, or else a new one, or null. There is one
-- row for all that ends together, so that the end of a workflow is told after that of its last step.
create or replace function baton.complete_steps(
  ids bigint[],
  results text[],              -- JSON of the result to store, or null
  refused bigint[],
  inout release bigint
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  ended bigint[];
begin
  with noted as (
    update baton.workflow_steps as step
    set
      outcome = 'completed',
      skipped = false,
      cause = null,
      result = coalesce(ack.result::jsonb, step.result),
      finished_at = clock_timestamp()
    from unnest(ids, results) as ack (id, result)
    where step.job_id = ack.id and (refused = '{}' or ack.id <> all (refused))
    returning step.job_id
  )
  select array_agg(noted.job_id) into ended from noted;
  if ended is null then
    return;
  end if;
  if release is null then
    insert into baton.workflow_releases as kept (job_ids) values (ended) returning kept.id into release;
  else
    update baton.workflow_releases as kept set job_ids = kept.job_ids || ended where kept.id = release;
  end if;
end
$$;
