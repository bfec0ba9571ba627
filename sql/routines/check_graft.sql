-- Looks up what a graft is made onto, and refuses one that can't be: what of it is there already, added
-- by the same step before (`kept`); the steps that it waits for and did not bring along (`needed`); and
-- the steps that are to wait for it: those of `before`, or, when a step grafts and is waited for, its
-- dependents, except for what it has grafted itself.
-- The caller holds the lock of the job of the step that grafts, or of the workflow. What waits for an
-- open step that was there could close a circle together with another graft that nobody sees yet:
-- such grafts, which are rare, take the lock of the workflow, one after the other; so it comes after
-- locks of jobs, as everywhere.
create or replace function baton.check_graft(
  flow uuid,
  grafter bigint,   -- 0 when people graft
  plan jsonb,       -- as sql/routines/graft_steps.sql reads it
  before bigint[],
  out kept_names text[],
  out kept bigint[],
  out needed_names text[],
  out needed bigint[],
  out dependents bigint[]
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  names text[] := array(
    select step.value ->> 'name' from jsonb_array_elements(plan -> 'steps') as step (value)
    where step.value ->> 'inside' is null
  );
  needs text[] := array(
    select distinct need.value ->> 1 from jsonb_array_elements(plan -> 'needs') as need (value)
  );
  bad text;
  others bigint[];
begin
  -- name by name, in the order of the index on them: with the plan of a young table, all steps of the
  -- workflow would be read
  select
    coalesce(array_agg(step.step_name) filter (where step.mine), '{}'),
    coalesce(array_agg(step.job_id) filter (where step.mine), '{}'),
    min(step.step_name) filter (where step.mine is not true)
  into kept_names, kept, bad
  from (
    select step.step_name, step.job_id, grafter <> 0 and step.grafted_by = grafter as mine
    from unnest(names) as wanted (name)
    cross join lateral (
      select found.* from baton.workflow_steps as found
      where found.workflow_id = flow and found.step_name = wanted.name
      order by found.step_name
      limit 1
    ) as step
  ) as step;
  if bad is not null then
    perform baton.refuse_graft('taken', bad);
  end if;

  select coalesce(array_agg(step.step_name), '{}'), coalesce(array_agg(step.job_id), '{}')
  into needed_names, needed
  from unnest(needs) as wanted (name)
  cross join lateral (
    select found.* from baton.workflow_steps as found
    where found.workflow_id = flow and found.step_name = wanted.name
    order by found.step_name
    limit 1
  ) as step;
  select need.name into bad
  from unnest(needs) as need (name)
  where need.name not in (select unnest(needed_names))
  limit 1;
  if bad is not null then
    perform baton.refuse_graft('unknown', baton.needing_step(plan, bad), bad);
  end if;

  dependents := before;
  if grafter <> 0 and (plan ->> 'wait')::boolean then
    dependents := array(
      select edge.child_id
      from baton.workflow_edges as edge
      where edge.parent_id = grafter
        and (
          select child.workflow_id = flow and child.grafted_by is distinct from grafter
          from baton.workflow_steps as child where child.job_id = edge.child_id
        )
    );
  end if;

  others := array_remove(needed, grafter);
  if cardinality(others) = 0 or cardinality(dependents) = 0 then
    return;
  end if;
  if exists (
    select from baton.workflow_steps as step
    where step.job_id = any (others) and step.outcome is null
  ) then
    perform from baton.workflows as workflow where workflow.id = flow for no key update;
  end if;
  with recursive after (id) as (
    select unnest(dependents)
    union
    select edge.child_id
    from after
    join baton.workflow_edges as edge on edge.parent_id = after.id
  )
  select step.step_name into bad
  from baton.workflow_steps as step
  where step.job_id = any (others) and step.job_id in (select after.id from after)
  limit 1;
  if bad is not null then
    perform baton.refuse_graft('circle', baton.needing_step(plan, bad), bad);
  end if;
end
$$;
