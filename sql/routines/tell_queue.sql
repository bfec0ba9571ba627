-- Tells processes that something was said about a queue, and forgets rows that say nothing any more.
-- Its caller holds the lock of whoever says something about queues, so no fetch holds these rows.
create or replace function baton.tell_queue(queue_name text) returns void
language plpgsql
as $$
begin
  delete from baton.queue_nodes as known
  where known.queue = queue_name
    and known.paused_at is null
    and coalesce(known.slots, known.start_slots) is null;
  delete from baton.queues as known
  where known.name = queue_name
    and known.paused_at is null
    and coalesce(known.slots, known.start_slots, known.global_limit, known.rate_limit) is null
    and known.partition_by is null
    and known.ageing is null;
  perform baton.notify('baton.control', 'queues');
  perform baton.notify('baton.jobs', queue_name);
end
$$;
