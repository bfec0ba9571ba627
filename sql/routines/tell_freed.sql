-- Tells other processes about places in globally limited queues that became free when `ended` were
-- acknowledged and that this process has no use for: it drains, was scaled down, or is paused there.
-- A process that fetches with at least as many free slots as it freed needs to tell nobody: what it
-- left, the limits did not let it take. Locks nothing.
create or replace function baton.tell_freed(
  lease bigint, ended bigint[], queues text[], capacities integer[]
) returns void
language plpgsql
as $$
begin
  perform baton.notify('baton.jobs', freed.queue)
  from (
    select job.queue, count(*) as places
    from baton.jobs as job where job.id = any (ended)
    group by job.queue
  ) as freed
  join baton.queues as setting on setting.name = freed.queue
  left join unnest(queues, capacities) as want (queue, capacity) on want.queue = freed.queue
  left join baton.queue_nodes as local
    on local.queue = freed.queue
    and local.node = (select held.node from baton.leases as held where held.id = lease)
  where setting.global_limit is not null
    and setting.paused_at is null
    and freed.places > case
      when local.paused_at is not null or local.slots = 0 then 0
      else coalesce(want.capacity, 0)
    end
    and (
      exists (
        select from baton.jobs as job
        where job.state = 'available' and job.queue = freed.queue and job.partition_key is null
      )
      or exists (
        select from baton.jobs as job
        where job.state = 'available' and job.queue = freed.queue and job.partition_key is not null
      )
    );
end
$$;
