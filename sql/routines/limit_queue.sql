-- Sets the limits of a queue that `changes` names: global_limit, rate_limit with rate_period,
-- partition_by and ageing; a null clears one. Processes keep to it from their next fetch on. When
-- partition_by changes, partition_jobs gives the waiting jobs their partitions. Locks the row of
-- the queue.
create or replace function baton.limit_queue(queue_name text, changes jsonb) returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(hashtext('baton.queues'), 0);
  insert into baton.queues (name) values (queue_name) on conflict (name) do nothing;
  update baton.queues as known
  set
    global_limit = case
      when changes ? 'global_limit' then (changes ->> 'global_limit')::integer
      else known.global_limit
    end,
    rate_limit = case
      when changes ? 'rate_limit' then (changes ->> 'rate_limit')::integer
      else known.rate_limit
    end,
    rate_period = case
      when changes ? 'rate_period' then (changes ->> 'rate_period')::double precision
      else known.rate_period
    end,
    partition_by = case
      when changes ? 'partition_by' then changes ->> 'partition_by'
      else known.partition_by
    end,
    last_partition = case when changes ? 'partition_by' then null else known.last_partition end,
    ageing = case
      when changes ? 'ageing' then (changes ->> 'ageing')::double precision
      else known.ageing
    end,
    updated_at = clock_timestamp()
  where known.name = queue_name;
  delete from baton.queue_starts as start
  using baton.queues as known
  where start.queue = queue_name and known.name = queue_name and known.rate_limit is null;
  perform baton.tell_queue(queue_name);
end
$$;
