-- Tells listeners something when the transaction commits, unless the server's queue of notifications is
-- full: then whoever notifies could not commit at all, until the session that holds the queue back, by
-- listening in a transaction that it does not end, is gone. Every word of Baton's is told by looking too,
-- a second later, so it is not worth the work that it tells of. A function of a single expression, which
-- the planner puts in place of its call; to ask for the usage takes a quarter of a microsecond.
create or replace function baton.notify(channel text, payload text) returns void
language sql
as $$
  select case when pg_notification_queue_usage() < 0.98 then pg_notify(channel, payload) end
$$;
