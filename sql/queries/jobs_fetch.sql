-- What a cycle of a process does that has nothing to acknowledge: claims up to the free capacity of
-- every queue, as long as the lease is held, publishes the starts of steps, and commits without waiting
-- for the disk, since all of it can be done again. sql/routines/fetch_jobs.sql says what it locks.
-- A statement of its own, because a job that comes to an idle process waits for it: a call of the
-- procedure, with the parameters and results of everything else that it can do, takes half as long again.
select
  fetched.ids,
  fetched.epochs,
  fetched.queue_names,
  fetched.workers,
  fetched.args,
  fetched.priorities,
  fetched.attempts,
  fetched.max_attempts,
  fetched.inserted_ats,
  fetched.scheduled_ats,
  fetched.extras,
  fetched.attempted_at,
  fetched.steps,
  fetched.results,
  fetched.retry_in,
  set_config('synchronous_commit', 'off', true),
  case
    when cardinality(fetched.starts) > 0 then baton.publish(fetched.start_flows, fetched.starts)
  end
from baton.fetch_jobs(
  %(lease)s::bigint,
  %(queues)s::text[],
  %(capacities)s::integer[],
  %(announce)s,
  %(spares)s::integer[],
  %(range_queues)s::text[],
  %(range_priorities)s::smallint[],
  %(range_times)s::double precision[],
  %(range_ids)s::bigint[],
  %(range_tops)s::smallint[]
) as fetched
