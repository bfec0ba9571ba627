-- Whether a dependency lets a step run whatever that step ignores or expects: it completed, was not
-- skipped, and is no sub-workflow. What most dependencies come to, told from the row of the dependency
-- alone; where it is false, the view dependencies decides. A plain expression, which the planner puts
-- into the statement that calls it. A dependency whose row is gone has nulls, and is not surely met.
create or replace function baton.surely_met(
  outcome baton.job_state, skipped boolean, subworkflow_id uuid
) returns boolean
language sql immutable
as $$
  select coalesce(outcome = 'completed' and not skipped and subworkflow_id is null, false)
$$;
