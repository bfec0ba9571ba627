-- Gives available jobs of these queues a partition, or takes it from them: a job that was inserted
-- while the partitions of its queue were changed, by somebody who did not see the change yet, has
-- none, and a fetch from a partitioned queue would not find it; and the other way round. At most
-- `most` jobs of each kind, skipping what others hold; two probes of an index for each queue when
-- there is nothing to do. Returns how many there were.
create or replace function baton.repair_partitions(names text[], most integer) returns bigint
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  repaired bigint;
  told bigint;
begin
  with wrong as (
    select lost.id, setting.partition_by
    from unnest(names) as served (name)
    join baton.queues as setting on setting.name = served.name
    cross join lateral (
      select job.id from baton.jobs as job
      where job.state = 'available' and job.queue = served.name and job.partition_key is null
      order by job.priority, job.scheduled_at, job.id
      limit most
      for no key update skip locked
    ) as lost
    where setting.partition_by is not null
    union all
    select lost.id, null
    from unnest(names) as served (name)
    left join baton.queues as setting on setting.name = served.name
    cross join lateral (
      select job.id from baton.jobs as job
      where job.state = 'available' and job.queue = served.name and job.partition_key is not null
      order by job.partition_key, job.priority, job.scheduled_at, job.id
      limit most
      for no key update skip locked
    ) as lost
    where setting.partition_by is null
  ),
  mended as (
    update baton.jobs as job
    set partition_key = baton.partition_key(wrong.partition_by, job.worker, job.args, job.meta)
    from wrong
    where job.id = wrong.id
    returning job.queue
  )
  select
    (select count(*) from mended),
    (
      select count(baton.notify('baton.jobs', changed.queue))
      from (select distinct mended.queue from mended) as changed
    )
  into repaired, told;
  return repaired;
end
$$;
