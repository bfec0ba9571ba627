-- Runs steps of a workflow again and names them; sql/routines/retry_workflow.sql says how.
select retried.verdict, retried.workflow_id, retried.step_name, retried.job_id, retried.was
from baton.retry_workflow(%(id)s, %(names)s::text[], %(everything)s) as retried
