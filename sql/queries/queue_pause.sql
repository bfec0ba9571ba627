-- Pauses a queue; sql/routines/pause_queue.sql says what it locks.
select baton.pause_queue(%(queue)s::text, %(node)s::text, %(by)s::text)
