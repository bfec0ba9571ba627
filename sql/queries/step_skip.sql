-- Lets a step count as completed; sql/routines/skip_step.sql says how.
select baton.skip_step(%(id)s, %(name)s::text, %(result)s::jsonb, %(reason)s::text)
