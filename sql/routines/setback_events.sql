-- What acknowledged attempts came to that did not end their steps, as the events that are published:
-- a step that failed is retryable, one that was put off or that waits is snoozed. An attempt that was
-- given back is nothing that anybody waits for.
-- Called at the end of the transaction after that of the acknowledgement, by when a step may have gone on:
-- the word about it then comes from who moved it, and must stay the last one. So its job is locked
-- against changes until this one is out, and left alone when it is another's or another claim's. Locks
-- ascending by id, passing over what others hold, so nobody is waited for.
create or replace function baton.setback_events(
  lease bigint,
  ids bigint[],
  epochs bigint[],
  states baton.job_state[],
  refunds boolean[],
  errors text[],
  accepted bigint[],
  out flows uuid[],
  out events text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  locked bigint[];
begin
  locked := array(
    select job.id from baton.jobs as job
    where job.id = any (array(
      select ack.id from unnest(ids, states) as ack (id, state)
      where ack.state in ('scheduled', 'retryable', 'suspended') and ack.id = any (accepted)
    ))
    order by job.id
    for share skip locked
  );
  select coalesce(array_agg(setback.workflow_id), '{}'), coalesce(array_agg(setback.event), '{}')
  into flows, events
  from (
    select
      step.workflow_id,
      baton.step_event(
        step.workflow_id, workflow.name, step.step_name,
        case ack.state when 'retryable' then 'retryable' else 'snoozed' end, false, job.id,
        job.epoch, job.worker, job.attempt + ack.refund::integer, step.result is not null,
        ack.error::json ->> 'message', clock_timestamp()
      ) as event
    from unnest(ids, epochs, states, refunds, errors) as ack (id, epoch, state, refund, error)
    cross join lateral (
      select * from baton.jobs as held where held.id = ack.id limit 1
    ) as job
    cross join lateral (
      select * from baton.workflow_steps as held where held.job_id = ack.id limit 1
    ) as step
    left join baton.workflows as workflow on workflow.id = step.workflow_id
    where ack.id = any (locked)
      and job.epoch = ack.epoch
      and job.attempted_by = lease
      and step.outcome is null
    order by job.id
  ) as setback;
end
$$;
