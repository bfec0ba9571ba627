-- What was said about queues that concerns the processes of one name. Locks nothing.
select
  coalesce(setting.name, local.queue),
  setting.slots,
  setting.start_slots,
  local.slots,
  local.start_slots,
  coalesce(setting.global_limit is not null, false),
  coalesce(setting.paused_at, local.paused_at) is not null
from baton.queues as setting
full join (
  select here.queue, here.slots, here.start_slots, here.paused_at
  from baton.queue_nodes as here where here.node = %(node)s::text
) as local on local.queue = setting.name
