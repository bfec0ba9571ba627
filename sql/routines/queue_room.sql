-- How many jobs, and how much weight of them, the limits of a queue let start at a moment in one of
-- its partitions. Both are counted from rows, so that nothing leaks when a process dies. When the
-- rate does not let the next job start, `jobs` is 0 and `wait` the seconds until it does. A job that
-- is heavier than the whole limit counts as much as the limit: it starts when nothing else did.
-- A start further in the future than a period is none: the clock was set back, or somebody wrote it.
-- Locks nothing: the caller holds the row of the queue, so nobody else starts jobs of it.
create or replace function baton.queue_room(
  setting baton.queues, key text, moment timestamptz,
  out jobs integer, out weight bigint, out wait double precision
)
language plpgsql stable
as $$
declare
  needed bigint;
begin
  jobs := 2147483647;
  if setting.global_limit is not null then
    if key is null then
      select greatest(0, setting.global_limit - count(*)) into jobs
      from baton.jobs as job
      where job.state = 'executing' and job.queue = setting.name;
    else
      select greatest(0, setting.global_limit - count(*)) into jobs
      from baton.jobs as job
      where job.state = 'executing' and job.queue = setting.name and job.partition_key = key;
    end if;
  end if;
  if jobs = 0 or setting.rate_limit is null then
    return;
  end if;

  select setting.rate_limit - coalesce(sum(start.weight), 0) into weight
  from baton.queue_starts as start
  where start.queue = setting.name
    and start.partition_key = coalesce(key, '')
    and start.started_at > moment - make_interval(secs => setting.rate_period)
    and start.started_at < moment + make_interval(secs => setting.rate_period);

  select least(next.weight, setting.rate_limit) into needed
  from baton.next_jobs(setting.name, key, 1, setting.ageing, moment, '{}') as next;
  if needed is null or needed <= weight then
    return;
  end if;

  -- the newest start that must have left the window before the job fits in
  jobs := 0;
  select greatest(
    0.001,
    extract(epoch from max(kept.started_at) - moment) + setting.rate_period
  )
  into wait
  from (
    select start.started_at, sum(start.weight) over (order by start.started_at desc) as total
    from baton.queue_starts as start
    where start.queue = setting.name
      and start.partition_key = coalesce(key, '')
      and start.started_at > moment - make_interval(secs => setting.rate_period)
      and start.started_at < moment + make_interval(secs => setting.rate_period)
  ) as kept
  where kept.total > setting.rate_limit - needed;
end
$$;
