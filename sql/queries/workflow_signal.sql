-- Tells a workflow something; sql/routines/signal_workflow.sql says how.
select baton.signal_workflow(%(id)s, %(name)s::text, %(payload)s::jsonb, %(sent_by)s::text)
