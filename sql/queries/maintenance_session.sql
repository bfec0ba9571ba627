-- Lets the statements of a session take their time, but not wait for others for ever.
select
  set_config('statement_timeout', '0', false),
  set_config('lock_timeout', (%(patience)s::double precision * 1000)::bigint::text, false)
