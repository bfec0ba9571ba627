-- Owes a look at steps to the next sweep, which is called for as soon as this commits.
create or replace function baton.owe_sweep(ids bigint[]) returns void
language plpgsql
as $$
begin
  if cardinality(ids) > 0 then
    insert into baton.workflow_releases (job_ids, inserted_at) values (ids, '-infinity');
    perform baton.notify('baton.control', 'sweep');
  end if;
end
$$;
