-- The newest workflows that fit, in pages: `before` and `before_id` are of the last one of the page
-- before. Of large workflows no step is looked at: how many ended is summed up from workflow_progress,
-- and how the open ones stand is left out. Conditions of a filter stand where it is marked. Locks
-- nothing.
with page as (
  select workflow.*
  from baton.workflows as workflow
  where (workflow.inserted_at, workflow.id) < (
      coalesce(%(before)s::timestamptz, 'infinity'),
      coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    )
    and (%(state)s::baton.workflow_state is null or workflow.state = %(state)s::baton.workflow_state)
    and (%(name)s::text is null or workflow.name = %(name)s::text)
    and (%(tags)s::text[] is null or workflow.tags @> %(tags)s::text[])
    and (%(since)s::timestamptz is null or workflow.inserted_at >= %(since)s::timestamptz)
    and (%(until)s::timestamptz is null or workflow.inserted_at < %(until)s::timestamptz)
    and (%(template)s::text is null or workflow.template = %(template)s::text)
    and (
      %(parent)s::uuid is null
      or workflow.parent_job_id in (
        select holder.job_id from baton.workflow_steps as holder
        where holder.workflow_id = %(parent)s::uuid and holder.subworkflow_id is not null
      )
    )
    /* filter */
  order by workflow.inserted_at desc, workflow.id desc
  limit %(limit)s
)
select
  page.id,
  page.name,
  page.state::text,
  page.inserted_at,
  page.finished_at,
  to_json(page.tags)::text as tags,
  page.template,
  page.template_version,
  progress.total,
  progress.completed,
  progress.skipped,
  progress.discarded,
  progress.cancelled,
  coalesce(open.counts, '{}') as counts
from page
left join baton.count_open_steps(array(select page.id from page)) as open on open.workflow_id = page.id
left join baton.read_progress(array(select page.id from page)) as progress
  on progress.workflow_id = page.id
order by page.inserted_at desc, page.id desc
