-- Where in the list of what people are asked a question stands, answered or not. Locks nothing.
select wait.inserted_at, wait.job_id from baton.workflow_waits as wait where wait.job_id = %(job_id)s
