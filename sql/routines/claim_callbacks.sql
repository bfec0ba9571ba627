-- Claims up to `most` rows of workflow_callbacks for a lease, and deletes those of `called`, which its
-- process has called. Free are the rows of the given workers that nobody has claimed, whose lease is
-- gone, or that this lease has claimed without its process knowing, because a connection broke: they
-- are not among `in_hand`.
-- Locks rows ascending by id, passing over those that others hold, and looks at them again in a
-- statement of its own, under the lock.
create or replace function baton.claim_callbacks(
  lease bigint,
  workers text[],
  most integer,
  called bigint[],
  in_hand bigint[]
)
returns setof baton.workflow_callbacks
language plpgsql
as $$
declare
  locked bigint[];
begin
  if cardinality(called) > 0 then
    delete from baton.workflow_callbacks as callback
    where callback.id = any (called) and callback.claimed_by = lease;
  end if;
  if most <= 0 or not exists (select from baton.leases as held where held.id = lease) then
    return;
  end if;
  locked := array(
    select callback.id from baton.workflow_callbacks as callback
    where callback.worker = any (workers)
      and callback.id <> all (in_hand)
      and (
        callback.claimed_by is null
        or callback.claimed_by = lease
        or not exists (select from baton.leases as held where held.id = callback.claimed_by)
      )
    order by callback.id
    limit most
    for no key update skip locked
  );
  return query
  update baton.workflow_callbacks as callback
  set claimed_by = lease
  where callback.id = any (locked)
    and (
      callback.claimed_by is null
      or callback.claimed_by = lease
      or not exists (select from baton.leases as held where held.id = callback.claimed_by)
    )
  returning callback.*;
end
$$;
