-- Inserts workflows whole, with the sub-workflows in them: their rows, one job and one step per name, one
-- edge per dependency; tells the queues of what may start, and the stagers when something is due sooner
-- than they look by themselves. Steps come in topological order, workflow by workflow, so ids grow along
-- the edges; jobs without dependencies are available at once, the rest are suspended; roots of other
-- kinds are owed to the sweep, which parks them. No job of a step is unique.
-- Of a step only its name and its arguments are its own: all else is written once, as its shape, for those
-- that have it in common. Everything that refers to something is a number in the order of the arrays.
-- A workflow is left out when one with its unique key executes; one that somebody else is inserting is
-- waited for, in the order of the keys. Else nothing is locked: nobody can see these rows yet.
-- `inserted` are the workflows that were; `ids` the jobs of their steps in order; `due` when they may start,
-- null when that is the time of the insert, `present`, for all.
-- Nothing here is joined but what was given. Nested loops would be quadratic, and a planner that does not
-- know how many there are takes them.
create or replace function baton.insert_workflows(
  flows json,
  shapes json,
  step_flows integer[],
  step_shapes integer[],
  step_names text[],
  step_args text[],            -- JSON objects
  edge_parents integer[],
  edge_children integer[],
  out inserted uuid[], out ids bigint[], out present timestamptz, out due timestamptz[]
)
language plpgsql
set enable_nestloop = off set enable_mergejoin = off
as $$
declare
  told bigint;
begin
  present := clock_timestamp();
  with flow as materialized (
    select
      given.ordinal, given.id, given.root, given.name, given.holder,
      coalesce(given.deadline, present + make_interval(secs => given.deadline_in)) as deadline,
      given.tags, given.context::jsonb as context, given.unique_key, given.priority, given.output,
      given.on_finished::jsonb as on_finished, given.template, given.template_version, given.counted,
      given.max_cost, given.max_tokens, given.on_exceeded
    from rows from (
      json_to_recordset(flows) as (
        id uuid, root uuid, name text, holder integer, deadline timestamptz,
        deadline_in double precision, tags text[], context text, unique_key text, priority smallint,
        output text, on_finished text, template text, template_version integer, counted boolean,
        max_cost numeric, max_tokens bigint, on_exceeded text
      )
    ) with ordinality as given (
      id, root, name, holder, deadline, deadline_in, tags, context, unique_key, priority, output,
      on_finished, template, template_version, counted, max_cost, max_tokens, on_exceeded, ordinal
    )
  ),
  workflow as (
    insert into baton.workflows (
      id, name, deadline, tags, context, unique_key, priority, output, on_finished, template,
      template_version, counted
    )
    select
      flow.id, flow.name, flow.deadline, flow.tags, flow.context, flow.unique_key, flow.priority,
      flow.output, flow.on_finished, flow.template, flow.template_version, flow.counted
    from flow
    where flow.holder is null
    order by flow.unique_key, flow.ordinal
    on conflict (unique_key) where unique_key is not null do nothing
    returning id
  ),
  step as materialized (
    select
      row_number() over (order by given.ordinal) as place, given.ordinal, flow.id as workflow_id,
      given.name, given.args, shape.*
    from unnest(step_flows, step_shapes, step_names, step_args)
      with ordinality as given (flow, shape, name, args, ordinal)
    join flow on flow.ordinal = given.flow
    join rows from (
      json_to_recordset(shapes) as (
        queue text, worker text, meta text, tags text[], priority smallint, max_attempts smallint,
        scheduled_at timestamptz, delay double precision, timeout double precision,
        deadline timestamptz, weight smallint, suspended boolean, parked boolean, deps text[],
        ignore_cancelled boolean, ignore_discarded boolean, ignore_skipped boolean, run_on text,
        kind text, condition text, signal text, wait_seconds double precision, on_timeout text,
        subworkflow_id uuid, has_callbacks boolean
      )
    ) with ordinality as shape (
      queue, worker, meta, tags, priority, max_attempts, scheduled_at, delay, timeout, deadline,
      weight, suspended, parked, deps, ignore_cancelled, ignore_discarded, ignore_skipped, run_on,
      kind, condition, signal, wait_seconds, on_timeout, subworkflow_id, has_callbacks, number
    ) on shape.number = given.shape
    where flow.root in (select workflow.id from workflow)
  ),
  job as (
    insert into baton.jobs (
      state, queue, worker, args, meta, tags, priority, max_attempts, inserted_at, scheduled_at,
      timeout, deadline, weight, partition_key
    )
    select
      case
        when begun.suspended then 'suspended'::baton.job_state
        when begun.due > present then 'scheduled'::baton.job_state
        else 'available'::baton.job_state
      end,
      begun.queue, begun.worker, begun.args, begun.meta, begun.tags, begun.priority,
      begun.max_attempts, present, begun.due, begun.timeout, begun.deadline, begun.weight,
      case
        when setting.partition_by is not null
          then baton.partition_key(setting.partition_by, begun.worker, begun.args, begun.meta)
      end
    from (
      select
        step.place, step.suspended, step.queue, step.worker, step.tags, step.priority,
        step.max_attempts, step.timeout, step.deadline, step.weight,
        step.args::jsonb as args,
        step.meta::jsonb || jsonb_build_object(
          'workflow_id', step.workflow_id, 'workflow_name', step.name
        ) as meta,
        coalesce(step.scheduled_at, present + make_interval(secs => step.delay), present) as due
      from step
    ) as begun
    left join baton.queues as setting on setting.name = begun.queue
    order by begun.place
    returning id, state, queue, scheduled_at
  ),
  placed as materialized (select array_agg(job.id order by job.id) as ids from job),
  subworkflow as (
    insert into baton.workflows (
      id, name, deadline, tags, context, parent_job_id, output, on_finished, counted, priority
    )
    select
      flow.id, flow.name, flow.deadline, flow.tags, flow.context,
      (select placed.ids from placed)[holder.place], flow.output, flow.on_finished, flow.counted,
      flow.priority
    from flow
    join step as holder on holder.ordinal = flow.holder
  ),
  node as (
    insert into baton.workflow_steps (
      job_id, workflow_id, step_name, deps, ignore_cancelled, ignore_discarded, ignore_skipped,
      run_on, kind, condition, signal, wait_seconds, on_timeout, subworkflow_id, has_callbacks
    )
    select
      (select placed.ids from placed)[step.place], step.workflow_id, step.name, step.deps,
      step.ignore_cancelled, step.ignore_discarded, step.ignore_skipped, step.run_on, step.kind,
      step.condition, step.signal, step.wait_seconds, step.on_timeout::baton.job_state,
      step.subworkflow_id, step.has_callbacks
    from step
  ),
  edge as (
    insert into baton.workflow_edges (parent_id, child_id)
    select (select placed.ids from placed)[parent.place], (select placed.ids from placed)[child.place]
    from unnest(edge_parents, edge_children) as given (parent, child)
    join step as parent on parent.ordinal = given.parent
    join step as child on child.ordinal = given.child
  ),
  progress as (
    insert into baton.workflow_progress (workflow_id, added)
    select flow.id, count(*)
    from flow
    join step on step.workflow_id = flow.id
    where flow.counted
    group by flow.id
  ),
  budget as (
    -- nothing can have been spent of it yet
    insert into baton.budgets (workflow_id, max_cost, max_tokens, on_exceeded, counted)
    select flow.id, flow.max_cost, flow.max_tokens, flow.on_exceeded, true
    from flow
    where flow.on_exceeded is not null and flow.root in (select workflow.id from workflow)
    order by flow.ordinal
  ),
  owed as (
    insert into baton.workflow_releases (job_ids, announced, inserted_at)
    select array_agg((select placed.ids from placed)[step.place]), true, '-infinity'
    from step
    where step.parked
    having count(*) > 0
    returning id
  )
  select
    array(select workflow.id from workflow),
    (select placed.ids from placed),
    (
      select case when bool_or(job.scheduled_at <> present) then array_agg(job.scheduled_at order by job.id) end
      from job
    ),
    (
      select count(baton.notify('baton.jobs', ready.queue))
      from (select distinct job.queue from job where job.state = 'available') as ready
    )
    + (select count(baton.notify('baton.control', 'sweep')) from owed)
    + (
      select count(baton.notify('baton.control', 'due'))
      where exists (
        select from job where job.state = 'scheduled' and job.scheduled_at < present + interval '1.5 s'
      )
    )
  into inserted, ids, due, told;
end
$$;
