-- Lets the time of waiting steps be over: of all, or of those that wait until then at most. A test that
-- drains a queue does it; what waits for a signal without a limit waits on. Locks no jobs.
update baton.workflow_waits as wait
set until = clock_timestamp()
where wait.woken_at is null
  and wait.until > clock_timestamp()
  and (%(everything)s::boolean or wait.until <= %(until)s::timestamptz)
