-- How the given workflows ended, as the events that are published. Locks nothing.
create or replace function baton.workflow_events(ids uuid[]) returns jsonb
language sql stable
as $$
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'event', 'workflow_finished',
      'workflow_id', workflow.id,
      'workflow_label', workflow.name,
      'outcome', completion.outcome,
      'failed_steps', completion.failed_steps[1:20],
      'timestamp', completion.inserted_at
    )
    order by completion.inserted_at, workflow.id
  ), '[]')
  from baton.workflow_completions as completion
  join baton.workflows as workflow on workflow.id = completion.workflow_id
  where completion.workflow_id = any (ids)
$$;
