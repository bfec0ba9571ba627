-- Inserts jobs and tells each of their queues once; sql/routines/insert_jobs.sql says how. Rows come
-- back in the order of the arrays.
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
  (inserted.job).weight,
  inserted.conflict
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
  %(uniques)s::text[]
) as inserted
order by inserted.ordinal
