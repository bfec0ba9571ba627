-- Inserts a workflow whole, with the sub-workflows in it: their rows, one job and one step per name,
-- one edge per dependency; sql/routines/insert_jobs.sql inserts the jobs and tells their queues. The
-- arrays are in topological order, so ids grow along the edges; jobs without dependencies are available
-- at once, the rest are suspended; roots of other kinds are owed to the sweep, which parks them.
-- Nothing is inserted, and no row comes back, when a workflow with the same unique key executes; one
-- that somebody else is inserting is waited for. Else nothing is locked: nobody can see these rows yet.
with workflow as (
  insert into baton.workflows (
    id, name, meta, deadline, tags, context, unique_key, priority, output, on_finished, template,
    template_version, counted
  )
  values (
    %(workflow_id)s,
    %(name)s::text,
    %(meta)s::jsonb,
    coalesce(
      %(deadline)s::timestamptz,
      clock_timestamp() + make_interval(secs => %(deadline_in)s::double precision)
    ),
    %(workflow_tags)s::text[],
    %(context)s::jsonb,
    %(unique_key)s::text,
    %(priority)s::smallint,
    %(output)s::text,
    %(on_finished)s::jsonb,
    %(template)s::text,
    %(template_version)s::integer,
    %(counted)s
  )
  on conflict (unique_key) where unique_key is not null do nothing
  returning id, counted
),
inserted as materialized (
  select placed.ordinal, placed.job
  from workflow
  cross join lateral baton.insert_jobs(
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
  ) as placed
),
subworkflow as (
  insert into baton.workflows (
    id, name, meta, deadline, tags, context, parent_job_id, output, on_finished, counted, priority
  )
  select
    given.id, given.name, '{}',
    coalesce(given.deadline, clock_timestamp() + make_interval(secs => given.deadline_in)),
    array(select jsonb_array_elements_text(given.tags::jsonb)),
    given.context::jsonb, (holder.job).id, given.output, given.on_finished::jsonb, given.counted,
    given.priority
  from unnest(
    %(sub_ids)s::uuid[],
    %(sub_names)s::text[],
    %(sub_holders)s::integer[],
    %(sub_deadlines)s::timestamptz[],
    %(sub_deadlines_in)s::double precision[],
    %(sub_tags)s::text[],
    %(sub_contexts)s::text[],
    %(sub_outputs)s::text[],
    %(sub_on_finished)s::text[],
    %(sub_counted)s::boolean[],
    %(sub_priorities)s::smallint[]
  ) as given (
    id, name, holder, deadline, deadline_in, tags, context, output, on_finished, counted, priority
  )
  join inserted as holder on holder.ordinal = given.holder
  returning id
),
step as (
  insert into baton.workflow_steps (
    job_id, workflow_id, step_name, deps, ignore_cancelled, ignore_discarded, ignore_skipped, run_on,
    kind, condition, signal, wait_seconds, on_timeout, subworkflow_id, has_callbacks
  )
  select
    (inserted.job).id,
    given.workflow_id,
    given.step_name,
    array(select jsonb_array_elements_text(given.deps::jsonb)),
    given.ignore_cancelled,
    given.ignore_discarded,
    given.ignore_skipped,
    given.run_on,
    given.kind,
    given.condition,
    given.signal,
    given.wait_seconds,
    given.on_timeout::baton.job_state,
    given.subworkflow_id,
    given.has_callbacks
  from inserted
  join unnest(
    %(workflow_ids)s::uuid[],
    %(step_names)s::text[],
    %(deps)s::text[],
    %(ignore_cancelled)s::boolean[],
    %(ignore_discarded)s::boolean[],
    %(ignore_skipped)s::boolean[],
    %(run_on)s::text[],
    %(kinds)s::text[],
    %(conditions)s::text[],
    %(signals)s::text[],
    %(wait_seconds)s::double precision[],
    %(on_timeouts)s::text[],
    %(subworkflow_ids)s::uuid[],
    %(has_callbacks)s::boolean[]
  ) with ordinality as given (
    workflow_id, step_name, deps, ignore_cancelled, ignore_discarded, ignore_skipped, run_on, kind,
    condition, signal, wait_seconds, on_timeout, subworkflow_id, has_callbacks, ordinal
  ) on given.ordinal = inserted.ordinal
  returning job_id, workflow_id, kind, deps
),
edge as (
  insert into baton.workflow_edges (parent_id, child_id)
  select (parent.job).id, (child.job).id
  from unnest(%(edge_parents)s::integer[], %(edge_children)s::integer[]) as edge (parent, child)
  join inserted as parent on parent.ordinal = edge.parent
  join inserted as child on child.ordinal = edge.child
),
progress as (
  insert into baton.workflow_progress (workflow_id, added)
  select counted.id, counted.steps
  from (
    select flow.id, (select count(*) from step where step.workflow_id = flow.id) as steps
    from (
      select workflow.id from workflow where workflow.counted
      union all
      select given.id
      from workflow
      cross join unnest(%(sub_ids)s::uuid[], %(sub_counted)s::boolean[]) as given (id, counted)
      where given.counted
    ) as flow
  ) as counted
),
owed as (
  insert into baton.workflow_releases (job_ids, inserted_at)
  select array_agg((inserted.job).id), '-infinity'
  from inserted
  where inserted.ordinal = any (%(parked)s::integer[])
  having count(*) > 0
  returning id
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
-- not a left join, which the planner would remove, and the notification with it
cross join (select count(pg_notify('baton.control', 'sweep')) as words from owed) as told
order by inserted.ordinal
