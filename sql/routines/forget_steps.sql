-- Makes steps forget how they ended, what they returned and what they waited for, so that they can run
-- again, and their workflows execute again. Signals that they heard are taken back: who waits for one
-- waits anew. So are the answers to approvals, also to those that were not asked yet: what they were about
-- may be another thing now. The caller holds the locks of their jobs; the workflows are locked here, ascending by id.
create or replace function baton.forget_steps(ids bigint[]) returns void
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  touched uuid[];
begin
  perform baton.uncount_steps(ids);
  with waited as (
    delete from baton.workflow_waits as wait
    where wait.job_id = any (ids)
    returning wait.workflow_id, wait.signal, wait.woken_at, wait.heard
  ),
  taken_back as (
    select waited.workflow_id, waited.signal as name, waited.woken_at as until
    from waited
    union all
    select waited.workflow_id, earlier.name, 'infinity'
    from waited cross join lateral unnest(waited.heard) as earlier (name)
  )
  delete from baton.workflow_signals as signal
  using taken_back
  where signal.workflow_id = taken_back.workflow_id
    and signal.name = taken_back.name
    and signal.sent_at <= taken_back.until;
  delete from baton.workflow_signals as answer
  using baton.workflow_steps as step
  where step.job_id = any (ids)
    and step.kind = 'approval'
    and answer.workflow_id = step.workflow_id
    and answer.name = step.signal;
  with forgotten as (
    update baton.workflow_steps as step
    set
      outcome = null, skipped = false, cause = null, result = null, parked_at = null,
      finished_at = null
    where step.job_id = any (ids)
    returning step.workflow_id
  )
  select coalesce(array_agg(distinct forgotten.workflow_id), '{}') into touched from forgotten;
  if cardinality(touched) > 0 then
    perform baton.reopen_workflows(touched);
  end if;
end
$$;
