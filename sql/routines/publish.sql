-- Publishes events of steps and workflows on workflow:all and on the channel of each workflow. A
-- payload is a JSON array of events: a notification may have 8,000 bytes, so a batch is cut into as
-- many as it takes. Locks nothing; listeners hear of it when the transaction commits.
create or replace function baton.publish(events jsonb) returns void
language plpgsql
as $$
begin
  if events = '[]' then
    return;
  end if;
  perform pg_notify(part.channel, part.payload)
  from (
    select placed.channel, json_agg(placed.event order by placed.position)::text as payload
    from (
      select
        target.channel, each.event, each.position,
        sum(octet_length(each.event::text) + 2) over (
          partition by target.channel order by each.position
        ) / 5000 as part
      from jsonb_array_elements(events) with ordinality as each (event, position)
      cross join lateral (
        values ('workflow:all'), ('workflow:' || (each.event ->> 'workflow_id'))
      ) as target (channel)
    ) as placed
    group by placed.channel, placed.part
    order by min(placed.position)
  ) as part;
end
$$;
