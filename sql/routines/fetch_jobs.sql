-- Claims up to `capacities[i]` available jobs of `queues[i]` for a lease: lowest priority number
-- first, then the oldest. Rows held by others are skipped, never waited for. The epoch grows with
-- each claim. Rows come back as parallel arrays, one element a job, in the order in which they are to
-- run; `steps` describes, by job id, those that are steps of workflows, and `results` holds what
-- their dependencies returned, each once however many of the fetched steps read it.
create or replace function baton.fetch_jobs(
  lease bigint,
  queues text[],
  capacities integer[],
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
  out results text
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  step_ids bigint[];
begin
  with claimed as (
    update baton.jobs as job
    set
      state = 'executing',
      attempt = job.attempt + 1,
      attempted_at = clock_timestamp(),
      attempted_by = lease,
      epoch = job.epoch + 1
    where job.id = any (array(
      select picked.id
      from unnest(queues, capacities) as want (queue, capacity)
      cross join lateral (
        select candidate.id
        from baton.jobs as candidate
        where candidate.state = 'available' and candidate.queue = want.queue
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
  from (select * from claimed order by priority, scheduled_at, id) as claimed;

  if step_ids is null then
    return;
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
      'parents', coalesce(parents.ids, '[]')
    ))
  into steps
  from baton.workflow_steps as step
  left join baton.workflows as workflow on workflow.id = step.workflow_id
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
    select json_agg(edge.parent_id) as ids
    from baton.workflow_edges as edge
    join baton.workflow_steps as parent on parent.job_id = edge.parent_id
    where edge.child_id = step.job_id and parent.result is not null
  ) as parents on true
  where step.job_id = any (step_ids);

  select json_object_agg(parent.job_id, json_build_array(parent.step_name, parent.result))
  into results
  from baton.workflow_steps as parent
  where parent.result is not null
    and parent.job_id in (
      select edge.parent_id from baton.workflow_edges as edge where edge.child_id = any (step_ids)
    );
end
$$;
