-- The next `most` available jobs of one partition of a queue, of the whole queue when `key` is null,
-- in the order in which they are to run. With ageing, that many seconds of waiting count for one
-- step of priority. Within one priority the oldest job is always the first, so each priority is one
-- range of the index, and the ten are merged. Locks nothing; `held` are left out.
create or replace function baton.next_jobs(
  queue_name text, key text, most integer, ageing double precision, moment timestamptz, held bigint[]
) returns table (id bigint, weight smallint, rank bigint)
language plpgsql stable
as $$
begin
  return query
  select ready.id, ready.weight, row_number() over (order by ready.urgency, ready.scheduled_at, ready.id)
  from (
    select
      candidate.id,
      candidate.weight,
      candidate.scheduled_at,
      case
        when ageing is null then level.priority
        else greatest(
          0, level.priority - floor(extract(epoch from moment - candidate.scheduled_at) / ageing)
        )
      end as urgency
    from unnest('{0,1,2,3,4,5,6,7,8,9}'::smallint[]) as level (priority)
    cross join lateral (
      (
        select job.id, job.weight, job.scheduled_at
        from baton.jobs as job
        where key is null
          and job.state = 'available'
          and job.queue = queue_name
          and job.partition_key is null
          and job.priority = level.priority
          and job.id <> all (held)
        order by job.scheduled_at, job.id
        limit most
      )
      union all
      (
        select job.id, job.weight, job.scheduled_at
        from baton.jobs as job
        where key is not null
          and job.state = 'available'
          and job.queue = queue_name
          and job.partition_key = key
          and job.priority = level.priority
          and job.id <> all (held)
        order by job.scheduled_at, job.id
        limit most
      )
    ) as candidate
  ) as ready
  order by ready.urgency, ready.scheduled_at, ready.id
  limit most;
end
$$;
