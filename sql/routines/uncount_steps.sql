-- Takes the ends of the given steps, which are about to be forgotten, out of the progress of workflows
-- that keep it. An end is counted when its row of workflow_releases is advanced for the first time: who
-- does that right now is waited for (and waits for nobody), and where it was not done yet it is not
-- done any more. The caller holds the locks of their jobs.
create or replace function baton.uncount_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  ended bigint[];
  uncounted bigint[];
begin
  if not exists (select from baton.workflows as workflow where workflow.counted) then
    return;
  end if;
  ended := array(
    select step.job_id
    from baton.workflow_steps as step
    join baton.workflows as workflow on workflow.id = step.workflow_id and workflow.counted
    where step.job_id = any (ids) and step.outcome is not null
  );
  if cardinality(ended) = 0 then
    return;
  end if;
  perform from baton.workflow_releases as kept
  where not kept.announced
    and exists (select from unnest(kept.job_ids) as owed (id) where owed.id in (select unnest(ended)))
  order by kept.id
  for update;
  with freed as (
    select kept.id, owed.id as job_id
    from baton.workflow_releases as kept
    cross join unnest(kept.job_ids) as owed (id)
    where not kept.announced and owed.id in (select unnest(ended))
  ),
  left_over as (
    update baton.workflow_releases as kept
    set job_ids = array(
      select owed.id from unnest(kept.job_ids) as owed (id)
      where owed.id not in (select unnest(ended))
    )
    where kept.id in (select freed.id from freed)
  )
  select coalesce(array_agg(freed.job_id), '{}') into uncounted from freed;

  insert into baton.workflow_progress (workflow_id, completed, skipped, discarded, cancelled)
  select
    step.workflow_id,
    -count(*) filter (where step.outcome = 'completed' and not step.skipped),
    -count(*) filter (where step.skipped),
    -count(*) filter (where step.outcome = 'discarded'),
    -count(*) filter (where step.outcome = 'cancelled')
  from baton.workflow_steps as step
  where step.job_id = any (ended) and step.job_id not in (select unnest(uncounted))
  group by step.workflow_id;
end
$$;
