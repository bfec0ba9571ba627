-- Sends a notification that only the one who looks for it hears, and says how full the server's queue
-- of notifications is, from 0 to 1: a full one takes none, and is what there is to say. Locks nothing.
select
  case when usage.share < 0.98 then pg_notify('baton.doctor', %(word)s) end,
  usage.share
from pg_notification_queue_usage() as usage (share)
