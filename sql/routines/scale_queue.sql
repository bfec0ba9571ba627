-- Sets how many jobs of a queue run at once in each process that serves it, or in those of one name;
-- 0 stops it. Locks the rows of the queue.
create or replace function baton.scale_queue(
  queue_name text, new_slots integer, node_name text default null
) returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(hashtext('baton.queues'), 0);
  if node_name is null then
    insert into baton.queues as known (name, slots)
    values (queue_name, new_slots)
    on conflict (name) do update
    set
      slots = excluded.slots,
      start_slots = case when new_slots > 0 then known.start_slots end,
      updated_at = clock_timestamp();
    update baton.queue_nodes as known
    set
      slots = null,
      start_slots = case when new_slots > 0 then known.start_slots end,
      updated_at = clock_timestamp()
    where known.queue = queue_name;
  else
    insert into baton.queue_nodes as known (queue, node, slots)
    values (queue_name, node_name, new_slots)
    on conflict (queue, node) do update
    set
      slots = excluded.slots,
      start_slots = case when new_slots > 0 then known.start_slots end,
      updated_at = clock_timestamp();
  end if;
  perform baton.tell_queue(queue_name);
end
$$;
