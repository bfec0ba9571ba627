-- How many jobs there are, by what is known without counting them: the statistics of the last analyze.
-- A table that seems to have at most `most` rows, and has, is counted; then `exact` is true. Locks nothing.
with known as (
  select
    class.reltuples as total,
    stats.most_common_vals::text::text[] as states,
    stats.most_common_freqs as shares
  from pg_class as class
  left join pg_stats as stats
    on stats.schemaname = class.relnamespace::regnamespace::text
    and stats.tablename = class.relname
    and stats.attname = 'state'
  where class.oid = 'baton.jobs'::regclass
),
seen as (
  select job.state::text as state, count(*) as jobs
  from (
    select each.state
    from baton.jobs as each
    where (select known.total <= %(most)s::integer from known)
    limit %(most)s::integer + 1
  ) as job
  group by job.state
),
looked as (
  select
    coalesce(sum(seen.jobs), 0) as jobs,
    coalesce(jsonb_object_agg(seen.state, seen.jobs), '{}') as states
  from seen
)
select
  known.total <= %(most)s::integer and looked.jobs <= %(most)s::integer as exact,
  case
    -- never analyzed, and larger than is counted: what was seen, at least
    when known.total <= %(most)s::integer then looked.states
    else (
      select coalesce(jsonb_object_agg(each.state, round(each.share * known.total)), '{}')
      from unnest(known.states, known.shares) as each (state, share)
    )
  end::text as jobs
from known
cross join looked
