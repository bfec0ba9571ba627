-- Writes down what attempts used of language models so far; sql/routines/record_usage.sql says how.
select baton.record_usage(%(usage)s::jsonb)
