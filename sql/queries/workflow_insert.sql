-- Inserts a workflow whole: its row, one job and one step per name, one edge per dependency, and a
-- notification per queue that has a step to start. The arrays are in topological order, so ids grow
-- along the edges; steps without dependencies are available at once, the rest are suspended.
-- Locks nothing: nobody else can see these rows yet.
with workflow as (
  insert into baton.workflows (id, name, meta)
  values (%(workflow_id)s, %(name)s, %(meta)s::jsonb)
  returning id
),
given as (
  select *
  from unnest(
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
    %(step_names)s::text[],
    %(deps)s::text[],
    %(ignore_cancelled)s::boolean[],
    %(ignore_discarded)s::boolean[]
  ) with ordinality as given (
    queue, worker, args, meta, tags, priority, max_attempts, scheduled_at, delay,
    timeout, deadline, weight, step_name, deps, ignore_cancelled, ignore_discarded, ordinal
  )
),
inserted as (
  insert into baton.jobs (
    state, queue, worker, args, meta, tags, priority, max_attempts, scheduled_at, timeout, deadline,
    weight, partition_key
  )
  select
    case
      when given.deps <> '[]' then 'suspended'::baton.job_state
      when due.at > now() then 'scheduled'::baton.job_state
      else 'available'::baton.job_state
    end,
    given.queue,
    given.worker,
    given.args::jsonb,
    given.meta::jsonb,
    array(select jsonb_array_elements_text(given.tags::jsonb)),
    given.priority,
    given.max_attempts,
    due.at,
    given.timeout,
    given.deadline,
    given.weight,
    baton.partition_key(setting.partition_by, given.worker, given.args::jsonb, given.meta::jsonb)
  from given
  left join baton.queues as setting on setting.name = given.queue
  cross join lateral (
    select coalesce(given.scheduled_at, now() + make_interval(secs => given.delay), now()) as at
  ) as due
  order by given.ordinal
  returning *
),
numbered as (
  select inserted.*, row_number() over (order by inserted.id) as ordinal from inserted
),
step as (
  insert into baton.workflow_steps (
    job_id, workflow_id, step_name, deps, ignore_cancelled, ignore_discarded
  )
  select
    numbered.id,
    workflow.id,
    given.step_name,
    array(select jsonb_array_elements_text(given.deps::jsonb)),
    given.ignore_cancelled,
    given.ignore_discarded
  from numbered
  join given on given.ordinal = numbered.ordinal
  cross join workflow
),
edge as (
  insert into baton.workflow_edges (parent_id, child_id)
  select parent.id, child.id
  from unnest(%(edge_parents)s::integer[], %(edge_children)s::integer[]) as edge (parent, child)
  join numbered as parent on parent.ordinal = edge.parent
  join numbered as child on child.ordinal = edge.child
),
told as (
  select count(pg_notify('baton.jobs', ready.queue)) as queues
  from (select distinct queue from inserted where state = 'available') as ready
)
select
  numbered.id,
  numbered.state::text,
  numbered.queue,
  numbered.worker,
  numbered.args::text,
  numbered.meta::text,
  to_json(numbered.tags)::text as tags,
  numbered.priority,
  numbered.attempt,
  numbered.max_attempts,
  numbered.errors::text,
  numbered.epoch,
  numbered.inserted_at,
  numbered.scheduled_at,
  numbered.attempted_at,
  numbered.completed_at,
  numbered.discarded_at,
  numbered.cancelled_at,
  numbered.timeout,
  numbered.deadline,
  numbered.weight,
  told.queues as told
from numbered
cross join told
order by numbered.id
