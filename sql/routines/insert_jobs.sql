-- Inserts jobs, all or none, and returns each in the order of the arrays, which say what
-- sql/routines/new_jobs.sql says. Ids grow in that order. Each queue that has something to start is
-- notified once, and the stagers when something is due sooner than they look by themselves.
-- `conflict` tells that a job was there already, and is returned as it stands now, instead of one
-- that would have been the same; sql/routines/insert_unique_jobs.sql says how. Batches without
-- unique jobs take the plain path here: it locks nothing, and spares them the speculative
-- insertion of `on conflict`.
-- The time of the insert is the clock's and not that of the transaction, which may be a long one.
create or replace function baton.insert_jobs(
  queues text[],
  workers text[],
  args text[],
  metas text[],
  tags text[],
  priorities smallint[],
  max_attempts smallint[],
  scheduled_ats timestamptz[],
  delays double precision[],
  timeouts double precision[],
  deadlines timestamptz[],
  weights smallint[],
  uniques text[] default null,
  suspended boolean[] default null
)
returns table (ordinal bigint, conflict boolean, job baton.jobs)
language plpgsql
as $$
declare
  present timestamptz := clock_timestamp();
begin
  if cardinality(array_remove(uniques, null)) > 0 then
    return query
    select placed.ordinal, placed.conflict, placed.job
    from baton.insert_unique_jobs(present, array(
      select given::baton.new_job
      from baton.new_jobs(
        present, queues, workers, args, metas, tags, priorities, max_attempts, scheduled_ats,
        delays, timeouts, deadlines, weights, uniques, suspended
      ) as given
      order by given.ordinal
    )) as placed
    order by placed.ordinal;
    return;
  end if;

  return query
  with inserted as (
    insert into baton.jobs as fresh (
      state, queue, worker, args, meta, tags, priority, max_attempts, inserted_at, scheduled_at,
      timeout, deadline, weight, partition_key
    )
    select
      given.state, given.queue, given.worker, given.args, given.meta, given.tags, given.priority,
      given.max_attempts, present, given.scheduled_at, given.timeout, given.deadline, given.weight,
      given.partition_key
    from baton.new_jobs(
      present, queues, workers, args, metas, tags, priorities, max_attempts, scheduled_ats, delays,
      timeouts, deadlines, weights, uniques, suspended
    ) as given
    order by given.ordinal
    returning fresh.id, fresh.state, fresh.queue, fresh.scheduled_at, fresh as job
  ),
  told as (
    select count(baton.notify('baton.jobs', ready.queue)) as queues
    from (select distinct inserted.queue from inserted where inserted.state = 'available') as ready
  ),
  warned as (
    select count(baton.notify('baton.control', 'due')) as words
    where exists (
      select from inserted
      where inserted.state = 'scheduled' and inserted.scheduled_at < present + interval '1.5 s'
    )
  )
  select row_number() over (order by inserted.id), false, inserted.job
  from inserted
  cross join told
  cross join warned;
end
$$;
