-- Inserts the job that a program wants when a workflow has ended; its meta says which and how. `job` is
-- one job in the arguments of sql/routines/insert_jobs.sql.
create or replace function baton.insert_reaction(job jsonb, finished jsonb) returns bigint
language sql
as $$
  select (inserted.job).id
  from baton.insert_jobs(
    array[job ->> 'queue'],
    array[job ->> 'worker'],
    array[job ->> 'args'],
    array[(job -> 'meta' || jsonb_build_object('finished_workflow', finished))::text],
    array[job ->> 'tags'],
    array[(job ->> 'priority')::smallint],
    array[(job ->> 'max_attempts')::smallint],
    array[(job ->> 'scheduled_at')::timestamptz],
    array[(job ->> 'delay')::double precision],
    array[(job ->> 'timeout')::double precision],
    array[(job ->> 'deadline')::timestamptz],
    array[(job ->> 'weight')::smallint],
    array[job ->> 'unique']
  ) as inserted
$$;
