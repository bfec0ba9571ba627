-- The processes that serve a queue or run jobs of it, with the jobs that run. Locks nothing.
select
  lease.node,
  lease.id,
  coalesce(baton.slots_in(lease.queues -> %(queue)s::text), 0),
  setting.paused_at is not null or local.paused_at is not null,
  running.ids,
  lease.started_at
from baton.leases as lease
left join baton.queues as setting on setting.name = %(queue)s::text
left join baton.queue_nodes as local
  on local.queue = %(queue)s::text and local.node = lease.node
cross join lateral (
  select array(
    select job.id from baton.jobs as job
    where job.state = 'executing' and job.attempted_by = lease.id and job.queue = %(queue)s::text
    order by job.id
  ) as ids
) as running
where lease.expires_at > now()
  and (lease.queues ? %(queue)s::text or cardinality(running.ids) > 0)
order by lease.node, lease.id
