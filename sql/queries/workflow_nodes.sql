-- The steps of one workflow as they stand, in topological order. Locks nothing.
select
  node.step_name,
  node.state,
  node.deps,
  node.result,
  node.error,
  extract(epoch from node.duration)::double precision,
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
