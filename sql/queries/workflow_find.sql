-- Workflows whose ids begin with these hexadecimal digits, the newest first, at most `limit`: a range
-- of the primary key. Locks nothing.
select workflow.id
from baton.workflows as workflow
where workflow.id between rpad(%(digits)s, 32, '0')::uuid and rpad(%(digits)s, 32, 'f')::uuid
order by workflow.inserted_at desc, workflow.id desc
limit %(limit)s
