-- Starts a queue where it does not run: in processes that it was stopped in, and in those that were
-- not started with it; where it runs nothing changes. Without a number of slots, processes go back
-- to the one that they were started with. Returns false when that can't be: the queue is stopped
-- everywhere and is to run in one process alone, which needs a number. Locks the rows of the queue.
create or replace function baton.start_queue(
  queue_name text, new_slots integer default null, node_name text default null
) returns boolean
language plpgsql
as $$
declare
  stopped boolean;
begin
  perform pg_advisory_xact_lock(hashtext('baton.queues'), 0);
  if node_name is null then
    insert into baton.queues as known (name, start_slots)
    values (queue_name, new_slots)
    on conflict (name) do update
    set
      slots = case when known.slots = 0 then new_slots else known.slots end,
      start_slots = coalesce(known.start_slots, new_slots),
      updated_at = clock_timestamp();
    update baton.queue_nodes as known
    set slots = null, updated_at = clock_timestamp()
    where known.queue = queue_name and known.slots = 0;
  else
    select coalesce(bool_or(known.slots = 0), false) into stopped
    from baton.queues as known where known.name = queue_name;
    if stopped and new_slots is null then
      return false;
    end if;
    insert into baton.queue_nodes as known (queue, node, slots, start_slots)
    values (queue_name, node_name, case when stopped then new_slots end, new_slots)
    on conflict (queue, node) do update
    set
      slots = case when known.slots is null or known.slots = 0 then excluded.slots else known.slots end,
      start_slots = coalesce(known.start_slots, new_slots),
      updated_at = clock_timestamp();
  end if;
  perform baton.tell_queue(queue_name);
  return true;
end
$$;
