-- Why a step whose gate has opened is not to run, null when it is: it runs only after a failure and
-- there was none, or a dependency of it was skipped, which it does not ignore. Locks nothing.
create or replace function baton.skip_cause(step baton.workflow_steps) returns text
language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  found text;
begin
  if step.run_on = 'failed' then
    if not exists (
      select from baton.workflow_edges as edge
      left join baton.workflow_steps as parent on parent.job_id = edge.parent_id
      where edge.child_id = step.job_id
        and (parent.job_id is null or parent.outcome in ('cancelled', 'discarded'))
    ) then
      return 'no dependency failed';
    end if;
  elsif step.run_on = 'completed' and not step.ignore_skipped and step.deps <> '{}' then
    select parent.step_name into found
    from baton.workflow_edges as edge
    join baton.workflow_steps as parent on parent.job_id = edge.parent_id and parent.skipped
    where edge.child_id = step.job_id
    order by edge.parent_id
    limit 1;
    if found is not null then
      return format('dependency %s was skipped', found);
    end if;
  end if;
  return null;
end
$$;
