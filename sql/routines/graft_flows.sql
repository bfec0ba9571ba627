-- Writes the sub-workflows among new steps of a workflow, whose ids are at least `first`; they know what
-- it knows. Locks nothing.
create or replace function baton.graft_flows(flow uuid, plan jsonb, ids bigint[], first bigint)
returns void
language sql
as $$
  with given as materialized (
    select part.*
    from jsonb_to_recordset(plan -> 'flows') as part (
      id uuid, name text, holder integer, deadline timestamptz, deadline_in double precision,
      tags text, context text, output text, on_finished text, counted boolean, priority smallint,
      size integer, max_cost numeric, max_tokens bigint, on_exceeded text
    )
    where ids[part.holder] >= first
  ),
  inserted as (
    insert into baton.workflows (
      id, name, deadline, tags, context, parent_job_id, output, on_finished, counted, priority
    )
    select
      given.id, given.name,
      coalesce(given.deadline, clock_timestamp() + make_interval(secs => given.deadline_in)),
      array(select jsonb_array_elements_text(given.tags::jsonb)) || around.tags,
      around.context || given.context::jsonb, ids[given.holder], given.output,
      given.on_finished::jsonb, given.counted, coalesce(given.priority, around.priority)
    from given
    join baton.workflows as around on around.id = flow
  ),
  budget as (
    -- nothing can have been spent of it yet
    insert into baton.budgets (workflow_id, max_cost, max_tokens, on_exceeded, counted)
    select given.id, given.max_cost, given.max_tokens, given.on_exceeded, true
    from given
    where given.on_exceeded is not null
  )
  insert into baton.workflow_progress (workflow_id, added)
  select given.id, given.size from given where given.counted
$$;
