-- The step that a job is, with its result, also when the job was pruned. Locks nothing.
select node.workflow_id, node.workflow, node.step_name
from baton.workflow_nodes as node
where node.job_id = %(id)s
