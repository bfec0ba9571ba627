-- Writes the sub-workflows among new steps, whose ids are at least `first`. Locks nothing.
create or replace function baton.graft_flows(plan jsonb, ids bigint[], first bigint) returns void
language sql
as $$
  with given as materialized (
    select flow.*
    from jsonb_to_recordset(plan -> 'flows') as flow (
      id uuid, name text, holder integer, deadline timestamptz, deadline_in double precision,
      tags text, context text, output text, on_finished text, counted boolean, priority smallint,
      size integer
    )
    where ids[flow.holder] >= first
  ),
  inserted as (
    insert into baton.workflows (
      id, name, deadline, tags, context, parent_job_id, output, on_finished, counted, priority
    )
    select
      given.id, given.name,
      coalesce(given.deadline, clock_timestamp() + make_interval(secs => given.deadline_in)),
      array(select jsonb_array_elements_text(given.tags::jsonb)),
      given.context::jsonb, ids[given.holder], given.output, given.on_finished::jsonb,
      given.counted, given.priority
    from given
  )
  insert into baton.workflow_progress (workflow_id, added)
  select given.id, given.size from given where given.counted
$$;
