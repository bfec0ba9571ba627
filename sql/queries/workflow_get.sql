-- One workflow, without its steps. Locks nothing.
select
  workflow.id,
  workflow.name,
  workflow.state::text,
  workflow.inserted_at,
  workflow.finished_at
from baton.workflows as workflow
where workflow.id = %(id)s
