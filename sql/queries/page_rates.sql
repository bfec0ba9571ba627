-- What ended lately, in `buckets` portions of `seconds`, and how long it waited and ran. No index leads
-- to the time at which a job ended, and none shall: each job would pay for it. So a bounded number of
-- rows is looked at: the newest ones, and those before the newest that executes, which is where the
-- work is while there is a backlog. Of these, conditions that stand where it is marked choose. Locks
-- nothing.
with clock as (
  select
    to_timestamp(
      floor(extract(epoch from clock_timestamp()) / %(seconds)s::integer) * %(seconds)s::integer
    ) + make_interval(secs => %(seconds)s::integer) as upto,
    make_interval(secs => %(seconds)s::integer) as step
),
front as (
  select coalesce(
    (select max(job.id) from baton.jobs as job where job.state = 'executing'), 0
  ) as id
),
newest as (
  select
    job.id, job.state, job.attempted_at, job.scheduled_at,
    coalesce(job.completed_at, job.discarded_at, job.cancelled_at) as ended_at
  from baton.jobs as job
  order by job.id desc
  limit %(most)s::integer
),
working as (
  select
    job.id, job.state, job.attempted_at, job.scheduled_at,
    coalesce(job.completed_at, job.discarded_at, job.cancelled_at) as ended_at
  from baton.jobs as job
  where job.id <= (select front.id from front)
    and job.id < (select min(newest.id) from newest)
  order by job.id desc
  limit %(most)s::integer
),
looked as (
  select * from newest
  union all
  select * from working
),
ended as (
  select
    %(buckets)s::integer - 1
      - floor(extract(epoch from clock.upto - looked.ended_at) / %(seconds)s::integer)::integer
      as bucket,
    looked.state,
    extract(epoch from looked.ended_at - looked.attempted_at) as ran,
    extract(epoch from looked.attempted_at - looked.scheduled_at) as waited
  from looked
  cross join clock
  where looked.ended_at is not null
    and looked.ended_at >= clock.upto - clock.step * %(buckets)s::integer
    and looked.ended_at < clock.upto
    /* filter */
),
rates as (
  select
    ended.bucket,
    count(*) filter (where ended.state = 'completed') as completed,
    count(*) filter (where ended.state = 'discarded') as discarded,
    percentile_cont(array[0.5, 0.95]) within group (order by ended.ran) as ran,
    percentile_cont(array[0.5, 0.95]) within group (order by greatest(ended.waited, 0)) as waited
  from ended
  group by ended.bucket
)
select
  clock.upto - clock.step * (%(buckets)s::integer - each.bucket) as begins_at,
  coalesce(rates.completed, 0),
  coalesce(rates.discarded, 0),
  rates.ran[1]::double precision,
  rates.ran[2]::double precision,
  rates.waited[1]::double precision,
  rates.waited[2]::double precision,
  (select count(*) from newest) = %(most)s::integer as partial
from generate_series(0, %(buckets)s::integer - 1) as each (bucket)
cross join clock
left join rates on rates.bucket = each.bucket
order by each.bucket
