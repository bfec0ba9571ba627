-- Owes a look at open steps to the next sweep, which is called for as soon as this commits. The end of
-- one of them before that is told and counted by whoever ends it.
create or replace function baton.owe_sweep(ids bigint[]) returns void
language plpgsql
as $$
begin
  if cardinality(ids) > 0 then
    insert into baton.workflow_releases (job_ids, announced, inserted_at)
    values (ids, true, '-infinity');
    perform baton.notify('baton.control', 'sweep');
  end if;
end
$$;
