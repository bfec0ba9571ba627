-- Publishes events of steps and workflows on workflow:all and on the channel of each workflow. A
-- payload is a JSON array of events. A notification takes less than 8,000 bytes, so a batch is cut into
-- as many as it needs, by how many of its longest event fit into one: events are of about one size,
-- and a running total took four times as long.
-- When the server's queue of notifications is nearly full, because some listener holds a transaction open,
-- nothing is published: a full one fails the commit of whoever notifies, and work matters more than news.
-- Locks nothing; listeners hear of it when the transaction commits.
create or replace function baton.publish(flows uuid[], events text[]) returns void
language plpgsql
as $$
declare
  most integer;
begin
  if cardinality(events) = 0 or pg_notification_queue_usage() > 0.9 then
    return;
  end if;
  select 7990 / (max(octet_length(event)) + 1) into most from unnest(events) as told (event);
  if most is null then
    return;  -- no row that somebody has edited is to keep work from being committed
  end if;
  for start in 1 .. cardinality(events) by most loop
    perform baton.notify(
      'workflow:all', '[' || array_to_string(events[start : start + most - 1], ',') || ']'
    );
  end loop;
  perform baton.notify('workflow:' || part.flow, part.payload)
  from (
    select
      told.flow, '[' || string_agg(told.event, ',' order by told.position) || ']' as payload
    from unnest(flows, events) with ordinality as told (flow, event, position)
    group by told.flow, (told.position - 1) / most
    order by min(told.position)
  ) as part;
end
$$;
