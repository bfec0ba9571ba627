-- Claims up to `capacities[i]` available jobs of `queues[i]` for a lease: lowest priority number
-- first, then the oldest. Rows held by others are skipped, never waited for. The epoch grows with
-- each claim. Rows come back as parallel arrays, one element a job, in the order in which they are to
-- run; `steps` describes, by job id, those that are steps of workflows, and `results` holds what
-- their dependencies returned, each once however many of the fetched steps read it. `retry_in` is the
-- time in seconds after which a rate limit lets more start. With `announce`, `starts` are the events
-- of the steps that start, with the workflow of each in `start_flows`, for the caller to publish.
-- What was said about a queue is read here, under a lock that whoever says something takes alone: once
-- a pause has returned, no process starts anything. Queues with limits, partitions or ageing go
-- through pick_limited_jobs, one process at a time and in the order of their names; the others
-- meet no lock that is waited for.
create or replace function baton.fetch_jobs(
  lease bigint,
  queues text[],
  capacities integer[],
  announce boolean default false,
  out ids bigint[],
  out epochs bigint[],
  out queue_names text[],
  out workers text[],
  out args text[],
  out metas text[],
  out tags text[],
  out priorities smallint[],
  out attempts smallint[],
  out max_attempts smallint[],
  out errors text[],
  out inserted_ats timestamptz[],
  out scheduled_ats timestamptz[],
  out attempted_ats timestamptz[],
  out timeouts double precision[],
  out deadlines timestamptz[],
  out weights smallint[],
  out steps text,
  out results text,
  out retry_in double precision,
  out start_flows uuid[],
  out starts text[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  step_ids bigint[];
  holders bigint[] := '{}';
  free_queues text[];
  free_capacities integer[];
  limited_queues text[];
  limited_capacities integer[];
  pick record;
  limited bigint[] := '{}';
begin
  start_flows := '{}';
  starts := '{}';
  perform pg_advisory_xact_lock_shared(hashtext('baton.queues'), 0);

  if exists (select from baton.queues as setting where setting.name = any (queues))
    or exists (select from baton.queue_nodes as local where local.queue = any (queues))
  then
    select
      array_agg(want.queue) filter (where not want.limited),
      array_agg(want.capacity) filter (where not want.limited),
      array_agg(want.queue order by want.queue) filter (where want.limited),
      array_agg(want.capacity order by want.queue) filter (where want.limited)
    into free_queues, free_capacities, limited_queues, limited_capacities
    from (
      select
        asked.queue,
        asked.capacity,
        coalesce(setting.global_limit, setting.rate_limit, setting.ageing) is not null
          or setting.partition_by is not null as limited
      from unnest(queues, capacities) as asked (queue, capacity)
      left join baton.queues as setting on setting.name = asked.queue
      left join baton.queue_nodes as local
        on local.queue = asked.queue
        and local.node = (select held.node from baton.leases as held where held.id = lease)
      where setting.paused_at is null
        and local.paused_at is null
        and coalesce(local.slots, setting.slots, 1) > 0
    ) as want;
  else
    free_queues := queues;
    free_capacities := capacities;
  end if;

  for i in 1 .. coalesce(cardinality(limited_queues), 0) loop
    pick := baton.pick_limited_jobs(limited_queues[i], limited_capacities[i]);
    limited := limited || pick.ids;
    retry_in := least(retry_in, pick.retry_in);
  end loop;

  with claimed as (
    update baton.jobs as job
    set
      state = 'executing',
      attempt = job.attempt + 1,
      attempted_at = clock_timestamp(),
      attempted_by = lease,
      epoch = job.epoch + 1,
      unique_key = case when 'executing' = any (job.unique_states) then job.unique_key end
    where job.id = any (limited || array(
      select picked.id
      from unnest(free_queues, free_capacities) as want (queue, capacity)
      cross join lateral (
        select candidate.id
        from baton.jobs as candidate
        where candidate.state = 'available'
          and candidate.queue = want.queue
          and candidate.partition_key is null
        order by candidate.priority, candidate.scheduled_at, candidate.id
        limit want.capacity
        for no key update skip locked
      ) as picked
    ))
    returning job.*
  )
  select
    array_agg(claimed.id), array_agg(claimed.epoch), array_agg(claimed.queue),
    array_agg(claimed.worker), array_agg(claimed.args::text), array_agg(claimed.meta::text),
    array_agg(to_json(claimed.tags)::text), array_agg(claimed.priority),
    array_agg(claimed.attempt), array_agg(claimed.max_attempts), array_agg(claimed.errors::text),
    array_agg(claimed.inserted_at), array_agg(claimed.scheduled_at), array_agg(claimed.attempted_at),
    array_agg(claimed.timeout), array_agg(claimed.deadline), array_agg(claimed.weight),
    array_agg(claimed.id) filter (where claimed.meta ? 'workflow_id')
  into
    ids, epochs, queue_names, workers, args, metas, tags, priorities, attempts, max_attempts,
    errors, inserted_ats, scheduled_ats, attempted_ats, timeouts, deadlines, weights, step_ids
  from (
    select * from claimed order by array_position(limited, id), priority, scheduled_at, id
  ) as claimed;

  if cardinality(limited) > 0 then
    -- not before any of them, so that no window of the period holds more than the limit
    insert into baton.queue_starts (queue, partition_key, started_at, weight)
    select job.queue, coalesce(job.partition_key, ''), max(job.attempted_at), sum(job.weight)
    from baton.jobs as job
    join baton.queues as setting on setting.name = job.queue
    where job.id = any (limited) and setting.rate_limit is not null
    group by job.queue, job.partition_key;
  end if;

  if step_ids is null then
    return;
  end if;

  if exists (select from baton.workflows as workflow where workflow.parent_job_id is not null) then
    holders := array(select around.holder_id from baton.holders_of(step_ids) as around);
  end if;

  select
    json_object_agg(step.job_id, json_build_object(
      'workflow_id', step.workflow_id,
      'workflow_label', workflow.name,
      'step_name', step.step_name,
      'deps', step.deps,
      'stored', step.result is not null,
      'gate', coalesce(gate.state, 'open'),
      'cause', gate.cause,
      'parents', coalesce(parents.ids, '[]'),
      'grafted', coalesce(parents.grafted, '[]'),
      'inherited', coalesce(parents.inherited, '[]'),
      'condition', step.condition,
      'context', nullif(workflow.context, '{}'),
      'waited', waited.outcome
    )),
    coalesce(array_agg(step.workflow_id) filter (where announce and gate.state is null), '{}'),
    coalesce(array_agg(
      baton.step_event(
        step.workflow_id, workflow.name, step.step_name, 'executing', false, step.job_id, job.epoch,
        job.worker, job.attempt, step.result is not null, null, job.attempted_at
      )
    ) filter (where announce and gate.state is null), '{}')
  into steps, start_flows, starts
  from baton.workflow_steps as step
  left join baton.workflows as workflow on workflow.id = step.workflow_id
  left join baton.jobs as job on announce and job.id = step.job_id
  left join lateral (
    select
      case when unmet.poisons then 'poisoned' else 'waiting' end as state,
      format('dependency %s %s', coalesce(unmet.parent_name, unmet.parent_id::text),
        case
          when unmet.parent_name is null then 'is gone'
          else 'was ' || unmet.parent_outcome
        end
      ) as cause
    from baton.unmet_dependencies as unmet
    where unmet.child_id = step.job_id
    order by unmet.poisons desc
    limit 1
  ) as gate on true
  left join lateral (
    select
      json_agg(parent.job_id) filter (where parent.result is not null) as ids,
      -- by whom is looked up for those alone
      json_agg(json_build_array(parent.job_id, parent.step_name, (
        select grafter.step_name from baton.workflow_steps as grafter
        where grafter.job_id = parent.grafted_by
      ))) filter (
        where parent.grafted_by is not null and parent.job_id <> all (holders)
      ) as grafted,
      json_agg(parent.step_name order by parent.job_id) filter (
        where edge.child_id <> step.job_id and parent.job_id <> all (holders)
      ) as inherited
    from baton.workflow_edges as edge
    join baton.workflow_steps as parent on parent.job_id = edge.parent_id
    -- the first steps of a sub-workflow know what the step that it is depends on; one array, since `or`
    -- would be looked up by reading every edge
    where edge.child_id = any (array[step.job_id] || case
      when workflow.parent_job_id is not null then array(
        select around.holder_id from baton.holders_of(array[step.job_id]) as around
      )
    end)
  ) as parents on true
  left join lateral (
    select json_build_object(
      'signal', wait.signal, 'arrived', signal.name is not null, 'payload', signal.payload
    ) as outcome
    from baton.workflow_waits as wait
    left join baton.workflow_signals as signal
      on signal.workflow_id = wait.workflow_id and signal.name = wait.signal
    where wait.job_id = step.job_id and wait.woken_at is not null
  ) as waited on true
  where step.job_id = any (step_ids);

  select json_object_agg(parent.job_id, json_build_array(parent.step_name, parent.result))
  into results
  from baton.workflow_steps as parent
  where parent.result is not null
    and parent.job_id in (
      select edge.parent_id from baton.workflow_edges as edge
      where edge.child_id = any (step_ids || holders)
    );
end
$$;
