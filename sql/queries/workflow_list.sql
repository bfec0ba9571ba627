-- The newest workflows that fit the filters, in pages: `before` and `before_id` are of the last one of
-- the page before. Steps are counted for the listed workflows only. Locks nothing.
with page as (
  select workflow.*
  from baton.workflows as workflow
  where (
      %(before)s::timestamptz is null
      or (workflow.inserted_at, workflow.id) < (%(before)s, %(before_id)s::uuid)
    )
    and (%(state)s::text is null or workflow.state = %(state)s::text::baton.workflow_state)
    and (%(name)s::text is null or workflow.name = %(name)s)
  order by workflow.inserted_at desc, workflow.id desc
  limit %(limit)s
)
select
  page.id,
  page.name,
  page.state::text,
  page.inserted_at,
  page.finished_at,
  (
    select json_object_agg(counted.state, counted.steps)
    from (
      select node.state, count(*) as steps
      from baton.workflow_nodes as node
      where node.workflow_id = page.id
      group by node.state
    ) as counted
  ) as counts
from page
order by page.inserted_at desc, page.id desc
