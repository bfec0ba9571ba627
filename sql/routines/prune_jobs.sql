-- Deletes finished jobs as rules say: an array of {states, queue, worker, older_than, keep}, of which
-- the first that matches a job decides. It says yes when the job ended more than older_than seconds
-- ago and at least `keep` of the newer jobs that it decides about stay; with neither it says no.
--
-- There is no index on finished jobs: its entry would be a part of the price of every completion.
-- Instead a pass goes through the primary key, from the newest job to the oldest, in portions of
-- `most` jobs, one portion a call; baton.duties has how far it got and how many jobs each rule has
-- kept. So `keep` is exact but for what happens during the pass: jobs that finish behind it are kept
-- in addition, and jobs that are retried behind it are missing from the kept ones until the next.
-- One process at a time does it: `pause` seconds after the last portion, or `rest` after a pass.
-- Processes with other rules wait for the end of a pass, or for its abandonment.
--
-- Judges without locks, then locks what is condemned ascending by id, skipping what others hold and
-- what was retried meanwhile, also when it has ended again by then. workflow_steps keeps the
-- outcome and the result of a pruned step; one without outcome is never pruned.
create or replace function baton.prune_jobs(
  rules jsonb, pause double precision, rest double precision, most integer,
  out examined bigint, out pruned jsonb, out unfinished boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  digest text := md5(rules::text);
  below bigint;
  kept jsonb;
  judged record;
  locked bigint[];
  began timestamptz := clock_timestamp();
begin
  examined := 0;
  pruned := '{}';
  unfinished := false;
  if not baton.take_duty('prune', (
    select case when duty.progress ->> 'rules' = digest then pause else rest end
    from baton.duties as duty where duty.name = 'prune'
  )) then
    return;
  end if;

  select duty.position, duty.progress -> 'kept' into below, kept
  from baton.duties as duty
  where duty.name = 'prune' and duty.progress ->> 'rules' = digest;
  if below is null then
    below := baton.prune_from(rules, most);
    kept := '{}';
  end if;

  with portion as materialized (
    select
      job.id, job.state, job.queue, job.worker,
      baton.finished_at(job) as finished_at
    from baton.jobs as job
    where job.id < below
    order by job.id desc
    limit most
  ),
  decided as (
    select
      portion.id, portion.finished_at, rule.number, rule.older_than, rule.keep,
      coalesce((kept ->> rule.number::text)::bigint, 0)
        + row_number() over (partition by rule.number order by portion.id desc) as place
    from portion
    cross join lateral (
      select each.*
      from rows from (
        jsonb_to_recordset(rules) as (
          states text[], queue text, worker text, older_than double precision, keep bigint
        )
      ) with ordinality as each (states, queue, worker, older_than, keep, number)
      where portion.state::text = any (each.states)
        and coalesce(each.queue = portion.queue, true)
        and coalesce(each.worker = portion.worker, true)
      order by each.number
      limit 1
    ) as rule
    where portion.state in ('completed', 'discarded', 'cancelled')
  ),
  condemned as (
    select decided.id
    from decided
    where (decided.older_than is not null or decided.keep is not null)
      and coalesce(
        decided.finished_at < began - make_interval(secs => decided.older_than), true
      )
      and coalesce(decided.place > decided.keep, true)
  )
  select
    (select count(*) from portion) as examined,
    (select min(portion.id) from portion) as lowest,
    coalesce((
      select jsonb_object_agg(counted.number, counted.place)
      from (
        select decided.number, max(decided.place) as place
        from decided where decided.keep is not null group by decided.number
      ) as counted
    ), '{}') as kept,
    (select array_agg(condemned.id order by condemned.id) from condemned) as ids
  into judged;

  locked := array(
    select job.id from baton.jobs as job
    where job.id = any (judged.ids)
      and job.state in ('completed', 'discarded', 'cancelled')
      and baton.finished_at(job) < began
    order by job.id
    for update skip locked
  );
  with gone as (
    delete from baton.jobs as job
    where job.id = any (locked)
      and not exists (
        select from baton.workflow_steps as step
        where step.job_id = job.id and step.outcome is null
      )
    returning job.state
  )
  select coalesce(jsonb_object_agg(counted.state, counted.jobs), '{}')
  into pruned
  from (select gone.state, count(*) as jobs from gone group by gone.state) as counted;

  examined := judged.examined;
  unfinished := examined = most;
  update baton.duties as duty
  set
    position = case when unfinished then judged.lowest else 0 end,
    progress = case
      when unfinished then jsonb_build_object('rules', digest, 'kept', kept || judged.kept)
      else '{}'
    end
  where duty.name = 'prune';
end
$$;
