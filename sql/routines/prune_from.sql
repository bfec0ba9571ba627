-- The id below which a pass of prune_jobs begins. When every rule spares the young, and none keeps a
-- number of jobs, which would count them, those of a large table need no look: ids grow with insertion,
-- so the first job that is young enough is found by halving, which reads a few dozen rows. Locks nothing.
create or replace function baton.prune_from(rules jsonb, most integer) returns bigint
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  low bigint;
  high bigint;
  middle bigint;
  spared interval;
  young timestamptz;
  probe record;
begin
  select job.id + 1 into high from baton.jobs as job order by job.id desc limit 1;
  select job.id into low from baton.jobs as job order by job.id limit 1;
  select make_interval(secs => min(rule.older_than)) into spared
  from jsonb_to_recordset(rules) as rule (older_than double precision, keep bigint)
  where rule.older_than is not null or rule.keep is not null
  having bool_and(rule.older_than is not null and coalesce(rule.keep, 0) = 0);
  if high is null or spared is null or high - low <= 10 * most then
    return coalesce(high, 0);
  end if;
  young := clock_timestamp() - spared;
  while high - low > most / 2 + 1 loop
    middle := low + (high - low) / 2;
    select job.id, job.inserted_at into probe
    from baton.jobs as job
    where job.id >= middle
    order by job.id
    limit 1;
    if probe.id is null or probe.id >= high or probe.inserted_at >= young then
      high := middle;
    else
      low := probe.id;
    end if;
  end loop;
  return high;
end
$$;
