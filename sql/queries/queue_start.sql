-- Starts a queue; sql/routines/start_queue.sql says what it locks.
select baton.start_queue(%(queue)s::text, %(slots)s::integer, %(node)s::text)
