-- How the given workflows ended, as the events that are published, with the workflow of each. Of the
-- steps that failed the first twenty are named. Locks nothing.
create or replace function baton.workflow_events(ids uuid[], out flows uuid[], out events text[])
language sql stable
as $$
  select
    coalesce(array_agg(finish.workflow_id), '{}'), coalesce(array_agg(finish.event), '{}')
  from (
    select
      completion.workflow_id,
      concat(
        '{"event":"workflow_finished","schema":"', replace((parse_ident('baton.jobs'))[1], '"', '\"'),
        '","transaction":', coalesce(pg_current_xact_id_if_assigned()::text, 'null'),
        ',"workflow_id":"', completion.workflow_id,
        '","workflow_label":', coalesce(to_json(left(workflow.name, 200)), 'null'),
        ',"outcome":"', completion.outcome,
        '","failed_steps":', to_json(array(
          select left(failed.step_name, 40) from unnest(completion.failed_steps[1:20])
            with ordinality as failed (step_name, position)
          order by failed.position
        )),
        ',"failed":', cardinality(completion.failed_steps),
        ',"duration":', extract(epoch from completion.inserted_at - workflow.inserted_at),
        ',"timestamp":', to_json(completion.inserted_at),
        '}'
      ) as event
    from baton.workflow_completions as completion
    cross join lateral (  -- with a limit, or a planner that believes in few workflows begins with them
      select * from baton.workflows as ended where ended.id = completion.workflow_id limit 1
    ) as workflow
    where completion.workflow_id = any (ids)
    order by completion.inserted_at, completion.workflow_id
  ) as finish
$$;
