-- The steps of one workflow as they stand, in topological order; `results` says whether what they
-- returned is wanted, which may be large. Locks nothing.
select
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
  node.job_id
from baton.workflow_nodes as node
where node.workflow_id = %(id)s
order by node.job_id
