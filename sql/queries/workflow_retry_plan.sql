-- Names the steps that workflow_retry.sql would run again. Locks nothing.
select plan.verdict, plan.workflow_id, plan.step_name, plan.job_id, plan.was
from baton.retry_plan(%(id)s, %(names)s::text[], %(everything)s) as plan
where plan.verdict <> 'waits'
order by plan.job_id
