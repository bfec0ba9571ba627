-- Pauses a queue in all processes, or in those of one name: they start nothing of it, and what runs
-- ends. When this has returned, no process claims anything: a fetch reads what was said under a
-- lock that is taken alone here. What was claimed ahead of a slot is given back by who hears of it.
-- Locks the row of the queue.
create or replace function baton.pause_queue(
  queue_name text, node_name text default null, by_whom text default null
) returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(hashtext('baton.queues'), 0);
  if node_name is null then
    insert into baton.queues as known (name, paused_at, paused_by)
    values (queue_name, clock_timestamp(), by_whom)
    on conflict (name) do update
    set paused_at = excluded.paused_at, paused_by = excluded.paused_by, updated_at = clock_timestamp()
    where known.paused_at is null;
  else
    insert into baton.queue_nodes as known (queue, node, paused_at, paused_by)
    values (queue_name, node_name, clock_timestamp(), by_whom)
    on conflict (queue, node) do update
    set paused_at = excluded.paused_at, paused_by = excluded.paused_by, updated_at = clock_timestamp()
    where known.paused_at is null;
  end if;
  perform baton.tell_queue(queue_name);
end
$$;
