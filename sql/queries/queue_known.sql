-- Whether anybody knows a queue: something was said about it, a living process serves it, or jobs wait
-- or run in it. Looks once into each partial index; locks nothing.
select
  exists (select from baton.queues as queue where queue.name = %(queue)s::text)
  or exists (select from baton.queue_nodes as local where local.queue = %(queue)s::text)
  or exists (
    select from baton.leases as lease
    where lease.expires_at > now() and lease.queues ? %(queue)s::text
  )
  or exists (
    select from baton.jobs as job
    where job.state = 'available' and job.partition_key is null and job.queue = %(queue)s::text
  )
  or exists (
    select from baton.jobs as job
    where job.state = 'available' and job.partition_key is not null and job.queue = %(queue)s::text
  )
  or exists (
    select from baton.jobs as job
    where job.state in ('scheduled', 'retryable') and job.queue = %(queue)s::text
  )
  or exists (
    select from baton.jobs as job where job.state = 'executing' and job.queue = %(queue)s::text
  )
