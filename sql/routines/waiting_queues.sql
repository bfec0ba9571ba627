-- Queues in which jobs wait to run or for their time, each of them once or twice. Hops from one name to the
-- next through the partial indexes: it does not matter how many jobs there are. Suspended jobs are not seen,
-- no index leads to them. Locks nothing.
create or replace function baton.waiting_queues() returns setof text
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
as $$
  with recursive ready (queue) as (
    (select job.queue from baton.jobs as job
     where job.state = 'available' and job.partition_key is null order by job.queue limit 1)
    union all
    select (
      select job.queue from baton.jobs as job
      where job.state = 'available' and job.partition_key is null and job.queue > ready.queue
      order by job.queue limit 1
    )
    from ready where ready.queue is not null
  ),
  divided (queue) as (
    (select job.queue from baton.jobs as job
     where job.state = 'available' and job.partition_key is not null order by job.queue limit 1)
    union all
    select (
      select job.queue from baton.jobs as job
      where job.state = 'available' and job.partition_key is not null and job.queue > divided.queue
      order by job.queue limit 1
    )
    from divided where divided.queue is not null
  ),
  due (queue) as (
    (select job.queue from baton.jobs as job
     where job.state in ('scheduled', 'retryable') order by job.queue limit 1)
    union all
    select (
      select job.queue from baton.jobs as job
      where job.state in ('scheduled', 'retryable') and job.queue > due.queue
      order by job.queue limit 1
    )
    from due where due.queue is not null
  )
  select queue from ready where queue is not null
  union all
  select queue from divided where queue is not null
  union all
  select queue from due where queue is not null
$$;
