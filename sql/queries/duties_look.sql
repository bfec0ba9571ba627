-- What there is to do for a worker process; sql/routines/look_around.sql says more. Locks nothing.
select
  ready, misplaced, stage_in, others_due, passed, time_in, sweep_in, rescue_in, near, processes,
  rescued_ago, leases, said, crons, callbacks, budgets
from baton.look_around(
  %(lease)s::bigint,
  %(queues)s::text[],
  %(hungry)s::text[],
  %(workers)s::text[],
  %(others)s::boolean,
  %(age)s::double precision,
  %(silence)s::double precision,
  %(patience)s::double precision,
  %(machine)s::text
)
