-- Sets a budget; sql/routines/set_budget.sql says what it locks.
select baton.set_budget(
  %(workflow_id)s::uuid, %(queue)s::text, %(cost)s::numeric, %(tokens)s::bigint, %(on_exceeded)s::text,
  %(given)s::text[]
)
