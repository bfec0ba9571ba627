-- The ids of the workflows that fit a filter, whose conditions stand where it is marked, the newest
-- first, in pages: `before` and `before_id` are of the last one of the page before. Locks nothing.
select workflow.inserted_at, workflow.id
from baton.workflows as workflow
where (workflow.inserted_at, workflow.id) < (
    coalesce(%(before)s::timestamptz, 'infinity'),
    coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  )
  /* filter */
order by workflow.inserted_at desc, workflow.id desc
limit %(limit)s
