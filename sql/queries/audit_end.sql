-- Writes down what became of an action. Locks its row.
update baton.audit_log as log
set outcome = %(outcome)s, message = %(message)s, finished_at = clock_timestamp()
where log.id = %(id)s and log.outcome is null
