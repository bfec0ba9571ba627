-- Puts a row of workflow_releases of which nothing can be made, for this `reason`, behind all others for
-- half a minute, and says so in the log of the server. The slow sweep finds what is not announced any
-- more again and again: of such rows one is kept. Passes over a row that somebody else holds.
create or replace function baton.postpone_release(release bigint, reason text) returns void
language plpgsql
as $$
declare
  owed baton.workflow_releases;
begin
  delete from baton.workflow_releases as kept
  where kept.id = (
    select free.id from baton.workflow_releases as free
    where free.id = release
    for update skip locked
  )
  returning kept.* into owed;
  if owed.id is null or owed.announced and owed.signal is null and exists (
    select from baton.workflow_releases as other
    where other.job_ids = owed.job_ids and other.announced and other.signal is null
  ) then
    return;
  end if;
  insert into baton.workflow_releases (job_ids, announced, workflow_id, signal, inserted_at)
  values (
    owed.job_ids, owed.announced, owed.workflow_id, owed.signal,
    clock_timestamp() + interval '30 s'
  );
  raise warning 'what follows from the ends of jobs % can''t be done: %', owed.job_ids[1:20], reason
    using hint = 'it is tried again in 30 s';
end
$$;
