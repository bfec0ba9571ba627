-- What is known of some jobs and of the steps that they are, as JSON: what `JobFacts` has. At most
-- `most` of the dependencies that keep a gate closed are named, and 10,000 are counted. Locks nothing.
select json_build_object(
  'id', asked.id,
  'now', clock_timestamp(),
  'state', coalesce(step.outcome, job.state),
  'queue', job.queue,
  'worker', job.worker,
  'attempt', job.attempt,
  'max_attempts', job.max_attempts,
  'scheduled_at', baton.readable_time(job.scheduled_at),
  'attempted_at', baton.readable_time(job.attempted_at),
  'ended_at', baton.readable_time(
    coalesce(step.finished_at, job.completed_at, job.discarded_at, job.cancelled_at)
  ),
  'deadline', job.deadline,
  'timeout', job.timeout,
  'error', job.errors -> -1 ->> 'message',
  'process', case when job.state = 'executing' then json_build_object(
    'node', coalesce(holder.node, 'a process that is gone'),
    'alive', coalesce(holder.expires_at > clock_timestamp(), false),
    'renewed_at', holder.renewed_at
  ) end,
  'step', case when step.job_id is not null then json_build_object(
    'workflow_id', step.workflow_id,
    'name', step.step_name,
    'kind', step.kind,
    'has_job', job.id is not null,
    'skipped', step.skipped,
    'cause', step.cause,
    'parked_at', baton.readable_time(step.parked_at),
    'run_on', step.run_on,
    'condition', step.condition,
    'subworkflow_id', step.subworkflow_id,
    'unmet', coalesce(unmet.named, '[]'),
    'unmet_count', coalesce(unmet.total, 0)
  ) end,
  'wait', case when wait.job_id is not null then json_build_object(
    'signal', wait.signal,
    'since', baton.readable_time(wait.inserted_at),
    'until', baton.readable_time(wait.until),
    'on_timeout', wait.on_timeout,
    'sent_at', baton.readable_time(signal.sent_at),
    'question', case when step.kind = 'approval' then coalesce(job.args ->> 'question', '') end,
    'asks', case when step.kind = 'approval' then job.args ->> 'asks' end
  ) end,
  'hold', case when standing.id is not null then json_build_object(
    'workflow_id', standing.workflow_id,
    'workflow', spender.name,
    'queue', standing.queue,
    'max_cost', standing.max_cost::text,
    'max_tokens', standing.max_tokens,
    'spent_cost', standing.spent_cost::text,
    'spent_tokens', standing.spent_tokens,
    'reserved_cost', standing.reserved_cost::text,
    'reserved_tokens', standing.reserved_tokens,
    'cost', hold.cost::text,
    'tokens', hold.tokens,
    'crowded', hold.crowded
  ) end
)::text
from unnest(%(ids)s::bigint[]) as asked (id)
left join baton.jobs as job on job.id = asked.id
left join baton.workflow_steps as step on step.job_id = asked.id
left join baton.leases as holder on holder.id = job.attempted_by
left join baton.workflow_waits as wait
  on wait.job_id = asked.id and wait.woken_at is null and step.outcome is null
left join baton.workflow_signals as signal
  on signal.workflow_id = wait.workflow_id and signal.name = wait.signal
left join baton.budget_holds as hold
  on hold.job_id = job.id
  and hold.epoch = job.epoch
  and (job.state = 'scheduled' or job.state = 'suspended' and step.parked_at is not null)
left join lateral baton.budget_standing(array[hold.budget_id]) as standing on hold.job_id is not null
left join baton.workflows as spender on spender.id = standing.workflow_id
left join lateral (
  select
    json_agg(
      json_build_object(
        'name', coalesce(open.parent_name, open.parent_id::text),
        'job_id', open.parent_id,
        'state', case
          when open.parent_name is null then 'gone'
          when parent.parked_at is not null and parent.outcome is null then 'waiting'
          else coalesce(open.parent_outcome, dependency.state, 'cancelled')::text
        end,
        'poisons', open.poisons
      )
      order by open.poisons desc, open.parent_id
    ) filter (where open.place <= %(most)s) as named,
    count(*) as total
  from (
    select each.*, row_number() over (order by each.poisons desc, each.parent_id) as place
    from (
      select * from baton.unmet_dependencies as any_
      where any_.child_id = asked.id
      limit 10000
    ) as each
  ) as open
  left join baton.workflow_steps as parent
    on parent.job_id = open.parent_id and open.place <= %(most)s
  left join baton.jobs as dependency
    on dependency.id = open.parent_id and open.place <= %(most)s
) as unmet on step.outcome is null and step.parked_at is null
where job.id is not null or step.job_id is not null
