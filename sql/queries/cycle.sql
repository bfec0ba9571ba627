-- One cycle of a worker process; sql/routines/cycle.sql says what it does and locks.
call baton.cycle(
  %(lease)s,
  %(ack_ids)s::bigint[],
  %(ack_epochs)s::bigint[],
  %(ack_states)s::text[]::baton.job_state[],
  %(ack_delays)s::double precision[],
  %(ack_refunds)s::boolean[],
  %(ack_errors)s::text[],
  %(ack_results)s::text[],
  %(ack_steps)s::boolean[],
  %(ack_waits)s::boolean[],
  %(ack_notes)s::text[],
  %(releases)s::bigint[],
  %(queues)s::text[],
  %(capacities)s::integer[],
  %(announce)s,
  null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
  null, null, null, null, null, null
)
