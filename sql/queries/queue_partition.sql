-- Partitions a portion of the jobs of a queue, and tells how many jobs the portion has and which is the
-- newest of all; sql/routines/partition_jobs.sql says what it locks.
select
  baton.partition_jobs(%(queue)s::text, %(after)s::bigint, %(most)s::integer),
  (
    select count(*) from (
      select from baton.jobs as job
      where job.id > %(after)s::bigint
      order by job.id
      limit %(most)s::integer
    ) as portion
  ),
  (select max(job.id) from baton.jobs as job)
