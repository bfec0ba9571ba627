-- Says yes or no to a step that asks, before or after it begins to wait. The answer is a signal that the
-- step hears; no other routine sends one of that name.
--   select * from baton.answer_approval('0f6c…', 'sign_off', true, 'ann', 'looks good');
-- The verdict: answered; again, it was answered before, and `told_by`, `told_at` and `said` tell what; ended,
-- it waits no more, and `stands` tells how it ended; other, it is no approval; unknown, there is no such step.
-- Locks the job of the step and looks again in a new statement: whoever ends the wait, because its time is
-- over or it is cancelled, holds that lock too, so exactly one of them comes first.
create or replace function baton.answer_approval(
  flow uuid, step_name text, approved boolean, answered_by text, comment text default null,
  out verdict text, out told_by text, out told_at timestamptz, out said jsonb, out stands text
)
language plpgsql
as $$
declare
  asked record;
begin
  if approved is null or btrim(coalesce(answered_by, '')) = '' then
    raise exception 'an answer says yes or no, and whose it is' using errcode = '22023';
  end if;
  select step.job_id, step.kind, step.signal into asked
  from baton.workflow_steps as step
  where step.workflow_id = flow and step.step_name = answer_approval.step_name;
  if asked.job_id is null then
    verdict := 'unknown';
    return;
  elsif asked.kind <> 'approval' then
    verdict := 'other';
    return;
  end if;
  perform from baton.jobs as job where job.id = asked.job_id for no key update;
  select coalesce(step.outcome, job.state, 'cancelled')::text into stands
  from baton.workflow_steps as step
  left join baton.jobs as job on job.id = step.job_id
  where step.job_id = asked.job_id;
  if stands not in ('completed', 'discarded', 'cancelled') then
    told_by := answered_by;
    told_at := clock_timestamp();
    said := jsonb_build_object(
      'approved', approved, 'by', answered_by, 'comment', comment, 'at', told_at
    );
    insert into baton.workflow_signals (workflow_id, name, payload, sent_by, sent_at)
    values (flow, asked.signal, said, answered_by, told_at)
    on conflict do nothing;
    if found then
      insert into baton.workflow_releases (job_ids, announced, workflow_id, signal, inserted_at)
      values ('{}', true, flow, asked.signal, '-infinity');
      perform baton.notify('baton.control', 'sweep');
      verdict := 'answered';
      return;
    end if;
  end if;
  select signal.sent_by, signal.sent_at, signal.payload into told_by, told_at, said
  from baton.workflow_signals as signal
  where signal.workflow_id = flow and signal.name = asked.signal;
  verdict := case when found then 'again' else 'ended' end;
end
$$;
