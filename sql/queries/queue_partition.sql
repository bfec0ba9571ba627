-- Partitions a portion of the jobs of a queue; sql/routines/partition_jobs.sql says what it locks.
select baton.partition_jobs(%(queue)s::text, %(after)s::bigint, %(most)s::integer)
