-- The newest workflows that fit, in pages: `before` and `before_id` are of the last one of the page
-- before. Steps are counted for the listed workflows only. Locks nothing.
with page as (
  select workflow.*
  from baton.workflows as workflow
  where (workflow.inserted_at, workflow.id) < (
      coalesce(%(before)s::timestamptz, 'infinity'),
      coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    )
    and (%(state)s::baton.workflow_state is null or workflow.state = %(state)s::baton.workflow_state)
    and (%(name)s::text is null or workflow.name = %(name)s::text)
  order by workflow.inserted_at desc, workflow.id desc
  limit %(limit)s
),
counted as (
  select each.workflow_id, json_object_agg(each.state, each.steps) as counts
  from (
    select node.workflow_id, node.state, count(*) as steps
    from baton.workflow_nodes as node
    where node.workflow_id = any (array(select page.id from page))
    group by node.workflow_id, node.state
  ) as each
  group by each.workflow_id
)
select
  page.id,
  page.name,
  page.state::text,
  page.inserted_at,
  page.finished_at,
  coalesce(counted.counts, '{}') as counts
from page
left join counted on counted.workflow_id = page.id
order by page.inserted_at desc, page.id desc
