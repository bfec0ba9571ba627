-- Writes down who is about to do what, before it is done: an action that a crash cuts off is on
-- record too. Forgets a portion of what is older than `age` seconds; null keeps everything. Rows that
-- somebody else is forgetting are skipped; nothing is waited for.
with old as (
  delete from baton.audit_log as log
  where log.id = any (array(
    select each.id from baton.audit_log as each
    where each.inserted_at < now() - make_interval(secs => %(age)s::double precision)
    order by each.inserted_at
    limit 1000
    for update skip locked
  ))
)
insert into baton.audit_log (actor, address, source, action, kind, subject, details)
values (
  %(actor)s, %(address)s::text, %(source)s, %(action)s, %(kind)s, %(subject)s, %(details)s::jsonb
)
returning id
