-- Whether an attempt may start; sql/routines/admit_attempt.sql says more, and what it locks.
select verdict, budget_id, reason, resumes_at
from baton.admit_attempt(
  %(lease)s::bigint, %(job_id)s::bigint, %(epoch)s::bigint, %(workflow_id)s::uuid, %(queue)s::text,
  %(cost)s::numeric, %(tokens)s::bigint, %(announce)s::boolean
)
