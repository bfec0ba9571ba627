-- What people did, the newest first, in pages: `before` is the last id of the page before. With `kind`
-- and `subject` what they did to one thing; the conditions of a filter stand where it is marked. Walks
-- the primary key backwards. Locks nothing.
select
  log.id,
  log.actor,
  log.address,
  log.source,
  log.action,
  log.kind,
  log.subject,
  log.details::text,
  log.outcome,
  log.message,
  log.inserted_at,
  log.finished_at
from baton.audit_log as log
where log.id < coalesce(%(before)s::bigint, 9223372036854775807)
  and (%(id)s::bigint is null or log.id = %(id)s::bigint)
  and (%(kind)s::text is null or log.kind = %(kind)s::text)
  and (%(subject)s::text is null or log.subject = %(subject)s::text)
  /* filter */
order by log.id desc
limit %(limit)s
