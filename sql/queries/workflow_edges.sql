-- The dependencies of the steps of some workflows, as pairs of jobs: what the engine goes by, also for
-- grafts. A step of a sub-workflow that begins it has an edge from the step that the sub-workflow is.
-- Locks nothing.
select edge.parent_id, edge.child_id
from baton.workflow_steps as child
join baton.workflow_edges as edge on edge.child_id = child.job_id
where child.workflow_id = any (%(ids)s::uuid[])
order by edge.child_id, edge.parent_id
