-- The jobs that fit, one window of the primary key at a time: `after` is where the last window
-- ended, and `last` the newest id when the first one began, so that the walk ends although jobs are
-- inserted meanwhile. A window looks at a fixed number of rows, so a statement is short however few
-- jobs fit. Conditions of a filter stand where it is marked. Locks nothing: what is done to them
-- looks at their state again.
select
  coalesce(
    array_agg(job.id order by job.id) filter (
      where job.state::text = any (%(states)s::text[])
        and (%(queue)s::text is null or job.queue = %(queue)s::text)
        and (%(worker)s::text is null or job.worker = %(worker)s::text)
        and (%(tags)s::text[] is null or job.tags @> %(tags)s::text[])
        and (%(args)s::jsonb is null or job.args @> %(args)s::jsonb)
        and (%(meta)s::jsonb is null or job.meta @> %(meta)s::jsonb)
        and (%(inserted_after)s::timestamptz is null or job.inserted_at >= %(inserted_after)s)
        and (%(inserted_before)s::timestamptz is null or job.inserted_at < %(inserted_before)s)
        /* filter */
    ),
    '{}'
  ) as ids,
  max(job.id) as upto,
  coalesce(%(last)s::bigint, (select max(newest.id) from baton.jobs as newest)) as last
from (
  select
    job.id, job.state, job.queue, job.worker, job.tags, job.args, job.meta, job.inserted_at,
    job.priority, job.attempt, job.errors
  from baton.jobs as job
  where job.id > %(after)s::bigint
    and job.id <= coalesce(%(last)s::bigint, 9223372036854775807)
    and (%(ids)s::bigint[] is null or job.id = any (%(ids)s::bigint[]))
  order by job.id
  limit %(window)s
) as job
