-- Cancels every step of a workflow that has not ended, and those of its sub-workflows: also what runs,
-- waits for the outside, or would clean up. The workflow then fails, by the next sweep.
--   select baton.cancel_workflow('0f6c…', 'the customer left');
-- Returns how many steps it cancelled; null when there is no such workflow.
-- sql/routines/cancel_jobs.sql does it, which locks jobs ascending by id and waits for them. A step that
-- grafts holds the lock of its job, so what it added is seen by the next look; what is added from
-- outside is kept out by the lock of the workflow, under which the last look finds nothing open. If it
-- does find something the lock is given back before that is locked, for jobs come before workflows.
create or replace function baton.cancel_workflow(flow uuid, reason text default null)
returns bigint
language plpgsql
as $$
declare
  found bigint[];
  cancelled bigint := 0;
begin
  if not exists (select from baton.workflows as workflow where workflow.id = flow) then
    return null;
  end if;
  loop
    found := array(select baton.open_steps(flow));
    if cardinality(found) > 0 then
      cancelled := cancelled + (
        select count(*) from baton.cancel_jobs(found, reason) as job where job.done
      );
      continue;
    end if;
    begin
      perform from baton.workflows as workflow
      where workflow.id = any (array(select baton.workflow_family(flow)))
      order by workflow.id
      for no key update;
      if exists (select from baton.open_steps(flow, 1)) then
        raise exception 'a step was added' using errcode = 'BA002';
      end if;
      return cancelled;
    exception when sqlstate 'BA002' then
      null;
    end;
  end loop;
end
$$;
