-- A portion of the steps of executing workflows, from the oldest workflow to the newest and in each from
-- the newest step to the oldest: those that are open, and a step each of the workflows that have none.
-- `place` is where the portion before ended, an empty object at the beginning of a pass and, when the
-- portion was the last one, at its end. A pass ends at the workflows that were inserted when it began,
-- `young` seconds before. A portion looks at about `most` steps, each of which counts as many more as it
-- waits for, since who looks further will look at those. Locks nothing.
create or replace function baton.walk_open_steps(
  most integer, young double precision, inout place jsonb,
  out waiting bigint[], out ended bigint[], out examined bigint
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  until timestamptz := coalesce(
    (place ->> 'until')::timestamptz, clock_timestamp() - make_interval(secs => young)
  );
  since timestamptz := coalesce((place ->> 'since')::timestamptz, '-infinity');
  flow uuid := coalesce((place ->> 'workflow')::uuid, '00000000-0000-0000-0000-000000000000');
  below bigint := (place ->> 'below')::bigint;
  any_open boolean := coalesce((place ->> 'open')::boolean, false);
  budget bigint;
  portion record;
begin
  waiting := '{}';
  ended := '{}';
  examined := 0;
  loop
    if below is null then
      any_open := false;
      select workflow.inserted_at, workflow.id into since, flow
      from baton.workflows as workflow
      where workflow.state = 'executing'
        and (workflow.inserted_at, workflow.id) > (since, flow)
        and workflow.inserted_at <= until
      order by workflow.inserted_at, workflow.id
      limit 1;
      if not found then
        place := '{}';
        return;
      end if;
    end if;

    budget := most - examined;
    select
      count(*) as steps,
      count(*) filter (where seen.taken) as taken,
      max(seen.job_id) as newest,
      min(seen.job_id) filter (where seen.taken) as lowest,
      coalesce(sum(seen.weight) filter (where seen.taken), 0) as weight,
      coalesce(array_agg(seen.job_id) filter (where seen.taken and seen.is_open), '{}') as waiting
    into portion
    from (
      select
        weighed.*,
        sum(weighed.weight) over (order by weighed.job_id desc) - weighed.weight < budget as taken
      from (
        select
          step.job_id,
          step.outcome is null as is_open,
          1 + case when step.outcome is null then cardinality(step.deps) else 0 end as weight
        from baton.workflow_steps as step
        where step.workflow_id = flow and (below is null or step.job_id < below)
        order by step.job_id desc
        limit budget
      ) as weighed
    ) as seen;

    examined := examined + 1 + portion.weight;
    waiting := waiting || portion.waiting;
    any_open := any_open or cardinality(portion.waiting) > 0;
    if portion.steps = budget or portion.taken < portion.steps then
      below := portion.lowest;
    else
      if not any_open then
        -- when nothing was left of it, `below` is the oldest of its steps
        ended := ended || coalesce(portion.newest, below);
      end if;
      below := null;
    end if;
    if examined >= most then
      place := jsonb_build_object(
        'until', until, 'since', since, 'workflow', flow, 'below', below, 'open', any_open
      );
      return;
    end if;
  end loop;
end
$$;
