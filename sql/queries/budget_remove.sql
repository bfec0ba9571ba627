-- Removes a budget; sql/routines/remove_budget.sql says what it locks.
select baton.remove_budget(%(workflow_id)s::uuid, %(queue)s::text)
