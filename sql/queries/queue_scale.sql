-- Scales or stops a queue; sql/routines/scale_queue.sql says what it locks.
select baton.scale_queue(%(queue)s::text, %(slots)s::integer, %(node)s::text)
