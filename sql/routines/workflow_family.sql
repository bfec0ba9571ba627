-- A workflow and the sub-workflows that its steps are, and so on down. Locks nothing.
create or replace function baton.workflow_family(flow uuid) returns setof uuid
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  with recursive family (id) as (
    select flow
    union
    select step.subworkflow_id
    from family
    join baton.workflow_steps as step
      on step.workflow_id = family.id and step.subworkflow_id is not null
  )
  select id from family
$$;
