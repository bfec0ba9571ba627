-- How many open steps of the given workflows are in which state. Those of large workflows are not
-- looked at: they are left out first, because the planner would look at them to find out. Locks
-- nothing.
create or replace function baton.count_open_steps(ids uuid[])
returns table (workflow_id uuid, counts json)
language plpgsql stable
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  small uuid[] := array(
    select workflow.id from baton.workflows as workflow
    where workflow.id = any (ids) and workflow.state = 'executing' and not workflow.counted
  );
begin
  if cardinality(small) = 0 then
    return;
  end if;
  return query
  select each.workflow_id, json_object_agg(each.state, each.steps)
  from (
    select node.workflow_id, node.state, count(*) as steps
    from baton.workflow_nodes as node
    where node.workflow_id = any (small) and node.finished_at is null
    group by node.workflow_id, node.state
  ) as each
  group by each.workflow_id;
end
$$;
