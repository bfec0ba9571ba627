-- Makes scheduled and retryable jobs available once they are due, oldest first and at most `most` of
-- them, and tells their queues. `next_in` is the time in seconds until the next one is due, null when
-- there is none. Rows held by others are skipped: two processes share the work.
create or replace function baton.stage_jobs(
  most integer, out staged bigint, out next_in double precision
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  told bigint;
begin
  with due as (
    update baton.jobs as job
    set state = 'available'
    where job.id = any (array(
      select candidate.id from baton.jobs as candidate
      where candidate.state in ('scheduled', 'retryable')
        and candidate.scheduled_at <= clock_timestamp()
      order by candidate.scheduled_at, candidate.id
      limit most
      for no key update skip locked
    ))
    returning job.queue
  )
  select
    (select count(*) from due),
    (
      select count(pg_notify('baton.jobs', ready.queue))
      from (select distinct due.queue from due) as ready
    )
  into staged, told;

  select extract(epoch from job.scheduled_at - clock_timestamp()) into next_in
  from baton.jobs as job
  where job.state in ('scheduled', 'retryable')
  order by job.scheduled_at, job.id
  limit 1;
end
$$;
