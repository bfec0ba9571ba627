-- What was said to a workflow, the last first; a document that is too large to be shown is left out.
-- Locks nothing.
select
  signal.name,
  signal.sent_by,
  signal.sent_at,
  case when length(signal.payload::text) <= %(most)s::integer then signal.payload::text end,
  length(signal.payload::text)
from baton.workflow_signals as signal
where signal.workflow_id = %(id)s
order by signal.sent_at desc, signal.name
limit 50
