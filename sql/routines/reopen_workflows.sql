-- Makes workflows that have ended execute again: they have an open step, or one that ended otherwise
-- than was said. Locks them ascending by id, whether they have ended or not: otherwise the end of a last
-- open step could finish one between the look and the commit. A deadline that has passed is dropped; the
-- unique key, which was given up, stays so. The caller may hold locks of jobs.
create or replace function baton.reopen_workflows(ids uuid[]) returns void
language plpgsql
as $$
begin
  perform from baton.workflows as workflow
  where workflow.id = any (ids)
  order by workflow.id
  for no key update;
  delete from baton.workflow_completions as completion where completion.workflow_id = any (ids);
  update baton.workflows as workflow
  set
    state = 'executing',
    finished_at = null,
    deadline = case when workflow.deadline > clock_timestamp() then workflow.deadline end
  where workflow.id = any (ids) and workflow.state <> 'executing';
end
$$;
