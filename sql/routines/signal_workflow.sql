-- Tells a workflow something from outside. It is heard by every step that waits for this signal, now or
-- later; a signal is said once, so a second one of the same name changes nothing.
--   select baton.signal_workflow('0f6c…', 'approved', '{"by": "ann"}', 'ann');
-- Returns whether it was said now. Raises BT002 when there is no such workflow, BT003 when it has ended, and
-- BT004 for an answer to an approval, which sql/routines/answer_approval.sql takes.
-- Another signal of the same name that is not committed yet is waited for; no other row is locked. Which
-- steps wait is looked up once this has committed, by the sweep, which is called for: one that begins to
-- wait at the same time is not visible here, nor the signal to it.
create or replace function baton.signal_workflow(
  flow uuid, signal text, payload jsonb default null, sent_by text default null
)
returns boolean
language plpgsql
as $$
declare
  stands baton.workflow_state;
  said boolean;
begin
  if starts_with(signal, 'approval:') then
    raise exception 'signal % is the answer to an approval', signal using
      errcode = 'BT004', hint = 'call answer_approval';
  end if;
  select workflow.state into stands from baton.workflows as workflow where workflow.id = flow;
  if stands is null then
    raise exception 'there is no workflow %', flow using errcode = 'BT002';
  elsif stands <> 'executing' then
    raise exception 'workflow % has ended: it is %', flow, stands using errcode = 'BT003';
  end if;
  insert into baton.workflow_signals (workflow_id, name, payload, sent_by)
  values (flow, signal, coalesce(signal_workflow.payload, 'null'), signal_workflow.sent_by)
  on conflict do nothing;
  said := found;
  if said then
    insert into baton.workflow_releases (job_ids, announced, workflow_id, signal, inserted_at)
    values ('{}', true, flow, signal_workflow.signal, '-infinity');
    perform baton.notify('baton.control', 'sweep');
  end if;
  return said;
end
$$;
