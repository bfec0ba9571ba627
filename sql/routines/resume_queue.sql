-- Resumes a queue in all processes, also where it was paused by name, or in those of one name; what
-- is paused in all processes stays so there. Locks the rows of the queue.
create or replace function baton.resume_queue(queue_name text, node_name text default null)
returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(hashtext('baton.queues'), 0);
  if node_name is null then
    update baton.queues as known
    set paused_at = null, paused_by = null, updated_at = clock_timestamp()
    where known.name = queue_name;
  end if;
  update baton.queue_nodes as known
  set paused_at = null, paused_by = null, updated_at = clock_timestamp()
  where known.queue = queue_name and known.node = coalesce(node_name, known.node);
  perform baton.tell_queue(queue_name);
end
$$;
