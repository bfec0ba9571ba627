-- The partition of a job in a queue with this `partition_by`: the worker's name, or an argument or
-- meta value as text; empty when the job lacks it. Null when the queue has no partitions. It stands in an
-- index, which has no room for a long text: of one there stands the hash.
create or replace function baton.partition_key(
  partition_by text, worker text, args jsonb, meta jsonb
) returns text
language sql immutable parallel safe
as $$
  select case when octet_length(found.key) > 500 then md5(found.key) else found.key end
  from (
    select case
      when partition_by = 'worker' then worker
      when partition_by like 'args.%' then coalesce(args ->> substr(partition_by, 6), '')
      when partition_by like 'meta.%' then coalesce(meta ->> substr(partition_by, 6), '')
    end as key
  ) as found
$$;
