-- How long the steps of a workflow took in earlier runs: of the newest `looked` workflows those of the same
-- name, at most `runs` of them. A row tells of steps of one name, or of steps that are alike: of one worker,
-- and of names that begin alike, up to a colon or a digit, as those of a fan-out do. Locks nothing.
with this as (
  select workflow.id, workflow.name, workflow.inserted_at
  from baton.workflows as workflow
  where workflow.id = %(id)s and workflow.name is not null
),
earlier as (
  select other.id
  from (
    select workflow.id, workflow.name, workflow.inserted_at
    from baton.workflows as workflow
    where workflow.inserted_at <= (select this.inserted_at from this)
    order by workflow.inserted_at desc, workflow.id desc
    limit %(looked)s::integer
  ) as other
  where other.name = (select this.name from this) and other.id <> (select this.id from this)
  order by other.inserted_at desc
  limit %(runs)s::integer
),
ran as (
  select
    step.workflow_id,
    step.step_name,
    job.worker,
    substring(step.step_name from '^[^:0-9]*:?') as head,
    extract(epoch from step.finished_at - job.attempted_at)::double precision as seconds
  from earlier
  join baton.workflow_steps as step on step.workflow_id = earlier.id
  join baton.jobs as job on job.id = step.job_id
  where step.outcome = 'completed' and not step.skipped and step.kind = 'job' and job.attempted_at is not null
)
select
  ran.step_name,
  ran.worker,
  ran.head,
  count(distinct ran.workflow_id),
  count(*),
  percentile_cont(0.5) within group (order by ran.seconds),
  percentile_cont(0.95) within group (order by ran.seconds)
from ran
group by grouping sets ((ran.step_name), (ran.worker, ran.head))
