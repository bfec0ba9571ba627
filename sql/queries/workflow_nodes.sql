-- The steps of some workflows as they stand, in topological order but for grafts; `results` says whether
-- what they returned is wanted, which may be large. Locks nothing.
select
  node.workflow_id,
  node.step_name,
  node.state,
  to_json(node.deps)::text as deps,
  case when %(results)s then node.result::text end as result,
  node.error,
  extract(epoch from node.duration)::double precision as duration,
  node.worker,
  node.queue,
  node.attempt,
  node.started_at,
  node.finished_at,
  node.inserted_at,
  node.job_id,
  node.kind,
  node.skipped,
  node.run_on,
  node.condition,
  coalesce(waiting.signal, node.signal) as signal,
  node.parked_at,
  waiting.until,
  node.grafted_by,
  node.subworkflow_id,
  job.args ->> 'question' as question,
  job.args ->> 'asks' as asks
from baton.workflow_nodes as node
left join baton.workflow_waits as waiting
  on waiting.job_id = node.job_id and waiting.woken_at is null and node.finished_at is null
left join baton.jobs as job on job.id = node.job_id and node.kind = 'approval'
where node.workflow_id = any (%(ids)s::uuid[])
order by node.job_id
