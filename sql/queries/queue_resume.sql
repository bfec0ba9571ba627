-- Resumes a queue; sql/routines/resume_queue.sql says what it locks.
select baton.resume_queue(%(queue)s::text, %(node)s::text)
