-- Finishes what a crash, or a lock that was held, left between the two halves of a cycle: advances
-- the workflows of the oldest rows of workflow_releases that are at least `age` seconds old, and
-- deletes the rows that need no further look. Locks those rows first, skipping what others hold.
create or replace function baton.sweep_releases(
  age double precision, pause double precision, most integer, out swept bigint, out released bigint
)
language plpgsql
as $$
declare
  owed record;
  advance record;
begin
  swept := 0;
  released := 0;
  if not baton.take_duty('sweep', pause) then
    return;
  end if;
  for owed in
    select kept.id, kept.job_ids from baton.workflow_releases as kept
    where kept.inserted_at <= clock_timestamp() - make_interval(secs => age)
    order by kept.id
    limit most
    for update skip locked
  loop
    advance := baton.advance_workflows(owed.job_ids);
    released := released + cardinality(advance.released);
    perform pg_notify('baton.jobs', freed.queue)
    from (
      select distinct job.queue from baton.jobs as job
      where job.id = any (advance.released) and job.state = 'available'
    ) as freed;
    if advance.complete then
      delete from baton.workflow_releases as kept where kept.id = owed.id;
      swept := swept + 1;
    end if;
  end loop;
end
$$;
