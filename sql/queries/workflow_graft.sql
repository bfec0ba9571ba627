-- Adds steps to a workflow from outside; sql/routines/graft_workflow.sql says more.
select (graft).added, (graft).kept
from baton.graft_workflow(%(workflow_id)s::uuid, %(plan)s::jsonb, %(before)s::text[]) as graft
