-- Limits a queue; sql/routines/limit_queue.sql says what it locks.
select baton.limit_queue(%(queue)s::text, %(changes)s::jsonb)
