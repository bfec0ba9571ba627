-- Cancels a workflow and counts the cancelled steps; sql/routines/cancel_workflow.sql says how.
select baton.cancel_workflow(%(id)s, %(reason)s::text)
