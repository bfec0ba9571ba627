-- Stores a template; sql/routines/put_template.sql says what it locks.
select baton.put_template(%(name)s::text, %(definition)s::jsonb)
