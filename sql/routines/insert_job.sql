-- Inserts a job from psql, a trigger or another language, checked like the client does it:
--   select (baton.insert_job('app.send', '{"to": "ann"}', queue => 'mail')).id;
-- `schedule_in` wins over `scheduled_at`; `timeout` is what an attempt may take. `unique_by` makes the
-- job unique, '{}' with the defaults; sql/routines/unique_options.sql says what it may hold. If it
-- was there already, that one is returned. Arguments are checked against the worker when it runs.
-- Locks and notifies as baton.insert_jobs does.
create or replace function baton.insert_job(
  worker text,
  args jsonb default '{}',
  queue text default 'default',
  priority integer default 0,
  max_attempts integer default 20,
  scheduled_at timestamptz default null,
  schedule_in interval default null,
  tags text[] default '{}',
  meta jsonb default '{}',
  timeout interval default null,
  deadline timestamptz default null,
  weight integer default 1,
  unique_by jsonb default null
) returns baton.jobs
language plpgsql
as $$
declare
  present constant timestamptz := clock_timestamp();
  earliest constant timestamptz := '1901-01-01 00:00+00';
  latest constant timestamptz := '9000-01-01 00:00+00';
  blanks constant text := E' \t\n\r\f\v';
  problem text;
  labels text[];
  inserted baton.jobs;
begin
  labels := array(
    select label.text
    from (
      select lower(btrim(given.tag, blanks)) as text, min(given.position) as position
      from unnest(tags) with ordinality as given (tag, position)
      group by 1
    ) as label
    order by label.position
  );
  problem := case
    when btrim(coalesce(worker, ''), blanks) = '' then 'the worker must not be blank'
    when btrim(coalesce(queue, ''), blanks) = '' then 'the queue must not be blank'
    when jsonb_typeof(args) is distinct from 'object'
      then format('args must be a JSON object, not %s', coalesce(args::text, 'null'))
    when jsonb_typeof(meta) is distinct from 'object'
      then format('meta must be a JSON object, not %s', coalesce(meta::text, 'null'))
    when meta ?| '{context,finished_workflow,workflow_id,workflow_name,workflow_label,workflow_debug}'
      then format('meta must not set %s: Baton owns them', (
        select string_agg(key, ', ' order by key) from jsonb_object_keys(meta) as key
        where key in (
          'context', 'finished_workflow', 'workflow_id', 'workflow_name', 'workflow_label',
          'workflow_debug'
        )
      ))
    when tags is null or array_position(labels, null) is not null then 'tags must not be null'
    when '' = any (labels) then 'a tag must not be blank'
    when (priority between 0 and 9) is not true
      then format('priority must be from 0 to 9, not %s', coalesce(priority::text, 'null'))
    when (max_attempts between 1 and 32767) is not true
      then format('max_attempts must be from 1 to 32,767, not %s', coalesce(max_attempts::text, 'null'))
    when (weight between 1 and 32767) is not true
      then format('weight must be from 1 to 32,767, not %s', coalesce(weight::text, 'null'))
    when schedule_in < interval '0' or schedule_in > interval '100 years'
      then format('schedule_in must be from 0 seconds to 100 years, not %s', schedule_in)
    when scheduled_at < earliest or scheduled_at >= latest
      then format('scheduled_at must be from 1901 to 8999, not %s', scheduled_at)
    when deadline < earliest or deadline >= latest
      then format('deadline must be from 1901 to 8999, not %s', deadline)
    when timeout <= interval '0' then format('timeout must be above 0, not %s', timeout)
  end;
  if problem is not null then
    raise exception '%', problem using errcode = 'invalid_parameter_value';
  end if;

  select (placed.job).* into inserted
  from baton.insert_jobs(
    array[queue],
    array[worker],
    array[args::text],
    array[meta::text],
    array[to_json(labels)::text],
    array[priority::smallint],
    array[max_attempts::smallint],
    array[coalesce(present + schedule_in, scheduled_at)],
    array[null::double precision],
    array[extract(epoch from timeout)::double precision],
    array[deadline],
    array[weight::smallint],
    array[baton.unique_options(unique_by)::text]
  ) as placed;
  return inserted;
end
$$;
