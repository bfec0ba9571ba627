-- Which process runs which step of a workflow right now. Locks nothing.
select step.step_name, lease.node
from baton.workflow_steps as step
join baton.jobs as job on job.id = step.job_id and job.state = 'executing'
join baton.leases as lease on lease.id = job.attempted_by
where step.workflow_id = %(id)s
order by step.job_id
