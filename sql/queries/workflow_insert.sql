-- Inserts a workflow whole: its row, one job and one step per name, one edge per dependency;
-- sql/routines/insert_jobs.sql inserts the jobs and tells their queues. The arrays are in topological
-- order, so ids grow along the edges; steps without dependencies are available at once, the rest are
-- suspended. Locks nothing: nobody else can see these rows yet.
with workflow as (
  insert into baton.workflows (id, name, meta)
  values (%(workflow_id)s, %(name)s, %(meta)s::jsonb)
  returning id
),
inserted as materialized (
  select ordinal, job
  from baton.insert_jobs(
    %(queues)s::text[],
    %(workers)s::text[],
    %(args)s::text[],
    %(metas)s::text[],
    %(tags)s::text[],
    %(priorities)s::smallint[],
    %(max_attempts)s::smallint[],
    %(scheduled_ats)s::timestamptz[],
    %(delays)s::double precision[],
    %(timeouts)s::double precision[],
    %(deadlines)s::timestamptz[],
    %(weights)s::smallint[],
    suspended => %(suspended)s::boolean[]
  )
),
step as (
  insert into baton.workflow_steps (
    job_id, workflow_id, step_name, deps, ignore_cancelled, ignore_discarded
  )
  select
    (inserted.job).id,
    workflow.id,
    given.step_name,
    array(select jsonb_array_elements_text(given.deps::jsonb)),
    given.ignore_cancelled,
    given.ignore_discarded
  from inserted
  join unnest(
    %(step_names)s::text[],
    %(deps)s::text[],
    %(ignore_cancelled)s::boolean[],
    %(ignore_discarded)s::boolean[]
  ) with ordinality as given (step_name, deps, ignore_cancelled, ignore_discarded, ordinal)
    on given.ordinal = inserted.ordinal
  cross join workflow
),
edge as (
  insert into baton.workflow_edges (parent_id, child_id)
  select (parent.job).id, (child.job).id
  from unnest(%(edge_parents)s::integer[], %(edge_children)s::integer[]) as edge (parent, child)
  join inserted as parent on parent.ordinal = edge.parent
  join inserted as child on child.ordinal = edge.child
)
select
  (inserted.job).id,
  (inserted.job).state::text,
  (inserted.job).queue,
  (inserted.job).worker,
  (inserted.job).args::text,
  (inserted.job).meta::text,
  to_json((inserted.job).tags)::text as tags,
  (inserted.job).priority,
  (inserted.job).attempt,
  (inserted.job).max_attempts,
  (inserted.job).errors::text,
  (inserted.job).epoch,
  (inserted.job).inserted_at,
  (inserted.job).scheduled_at,
  (inserted.job).attempted_at,
  (inserted.job).completed_at,
  (inserted.job).discarded_at,
  (inserted.job).cancelled_at,
  (inserted.job).timeout,
  (inserted.job).deadline,
  (inserted.job).weight
from inserted
order by inserted.ordinal
