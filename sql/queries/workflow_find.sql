-- Ids that begin with what a person typed, at most `limit`. Locks nothing.
select workflow.id
from baton.workflows as workflow
where workflow.id::text like %(prefix)s || '%%'
order by workflow.inserted_at desc
limit %(limit)s
