-- Has the next sweep advance the given steps, in portions that it can take one by one. When their ends
-- are `news` they will be counted and announced.
create or replace function baton.owe_releases(ids bigint[], news boolean) returns void
language plpgsql
as $$
begin
  insert into baton.workflow_releases (job_ids, announced, inserted_at)
  select array_agg(given.id order by given.number), not news, '-infinity'
  from unnest(ids) with ordinality as given (id, number)
  group by (given.number - 1) / 1000;
end
$$;
