-- Ids and names of the newest workflows, for a shell. Locks nothing.
select workflow.id || ' ' || coalesce(workflow.name, workflow.state::text)
from baton.workflows as workflow
order by workflow.inserted_at desc, workflow.id desc
limit %(most)s
