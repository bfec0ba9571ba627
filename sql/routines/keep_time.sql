-- Ends the waiting of steps whose time is over, and says which workflows are past their deadlines.
-- Looks first without a lock, so that a look at which nothing is due writes nothing; the processes that
-- see something due then do it one at a time. What follows is left for the sweep, which is called for.
-- Waits whose steps have ended otherwise are put aside here: nobody else has to think of them.
-- Jobs that somebody else holds are passed over, and do not count for `next_in`, the time in seconds
-- until the next time is over: the next regular look comes back to them. It is 0 when there were too many.
-- The time is a variable, since an index is not searched for the result of a volatile function.
-- `ready` are the queues of steps that run again, `notices` the events of what ended here.
create or replace function baton.keep_time(
  most integer, announce boolean default true,
  out ended bigint, out ready text[], out overdue uuid[], out next_in double precision,
  out notices text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  present timestamptz := clock_timestamp();
  due bigint[];
  advance record;
begin
  ended := 0;
  ready := '{}';
  overdue := '{}';
  notices := '{}';
  if (
      exists (
        select from baton.workflow_waits as wait
        where wait.woken_at is null and wait.until <= present
      )
      or exists (
        select from baton.workflows as workflow
        where workflow.state = 'executing' and workflow.deadline <= present
      )
    )
    and baton.take_duty('time', 0)
  then
    due := array(
      select wait.job_id from baton.workflow_waits as wait
      where wait.woken_at is null and wait.until <= present
      order by wait.until
      limit most
    );
    update baton.workflow_waits as wait
    set woken_at = present
    where wait.job_id = any (due)
      and wait.woken_at is null
      and not exists (
        select from baton.workflow_steps as step
        join baton.jobs as job on job.id = step.job_id and job.state = 'suspended'
        where step.job_id = wait.job_id and step.outcome is null and step.parked_at is not null
      );
    advance := baton.advance_workflows(due, false, false, true);
    select count(*) into ended
    from baton.workflow_waits as wait
    where wait.job_id = any (due) and wait.woken_at is not null;
    ready := array(
      select distinct job.queue from baton.jobs as job
      where job.id = any (advance.released) and job.state = 'available'
    );
    perform baton.notify('baton.jobs', queue) from unnest(ready) as queue;
    if advance.follow_up is not null then
      perform baton.notify('baton.control', 'sweep');
    end if;
    notices := advance.further;
    if announce then
      perform baton.publish(advance.further_flows, advance.further);
    end if;
    overdue := array(
      select workflow.id from baton.workflows as workflow
      where workflow.state = 'executing' and workflow.deadline <= present
      order by workflow.deadline
      limit most
    );
  end if;

  if ended >= most then
    next_in := 0;
    return;
  end if;
  select extract(epoch from least(
    (
      select wait.until from baton.workflow_waits as wait
      where wait.woken_at is null and wait.until > present
      order by wait.until
      limit 1
    ),
    (
      select workflow.deadline from baton.workflows as workflow
      where workflow.state = 'executing' and workflow.deadline > present
      order by workflow.deadline
      limit 1
    )
  ) - clock_timestamp())
  into next_in;
end
$$;
