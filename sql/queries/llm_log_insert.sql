-- Writes down what was captured of attempts. Locks nothing: rows are only added.
insert into baton.workflow_debug_logs (
  job_id, attempt, workflow_id, step_name, kind, content
)
select
  (said.row ->> 'job_id')::bigint,
  (said.row ->> 'attempt')::smallint,
  (said.row ->> 'workflow_id')::uuid,
  said.row ->> 'step_name',
  said.row ->> 'kind',
  captured.content::jsonb
from unnest(%(contents)s::text[]) with ordinality as captured (content, ordinal)
cross join lateral (
  select %(rows)s::jsonb -> (captured.ordinal - 1)::integer as row
) as said
order by captured.ordinal
