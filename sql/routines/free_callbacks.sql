-- Gives back the rows of workflow_callbacks that a process took and can't see to any more, because it
-- has lost its lease, and calls for somebody else. Passes over what others hold.
create or replace function baton.free_callbacks() returns void
language plpgsql
as $$
declare
  told bigint;
begin
  with lost as (
    select called.id from baton.workflow_callbacks as called
    where called.claimed_by is not null
      and not exists (select from baton.leases as lease where lease.id = called.claimed_by)
    order by called.id
    for no key update skip locked
  ),
  freed as (
    update baton.workflow_callbacks as called
    set claimed_by = null
    where called.id in (select lost.id from lost)
    returning called.id
  )
  select count(pg_notify('baton.control', 'callbacks')) into told from freed;
end
$$;
