-- Changes what is given of an entry, and tells the schedulers. An entry whose times change begins
-- anew: what the new times would have been before is none of its. Entries of code are left alone:
-- the next start of a process would undo the change.
with edited as (
  update baton.crons as cron
  set
    expression = coalesce(%(expression)s::text, cron.expression),
    timezone = coalesce(%(timezone)s::text, cron.timezone),
    args = coalesce(%(args)s::jsonb, cron.args),
    options = (cron.options - %(cleared)s::text[]) || %(options)s::jsonb,
    catch_up = coalesce(%(catch_up)s::integer, cron.catch_up),
    last_tick_at = case
      when coalesce(%(expression)s::text, cron.expression) = cron.expression
        and coalesce(%(timezone)s::text, cron.timezone) = cron.timezone
        then cron.last_tick_at
      else greatest(cron.last_tick_at, clock_timestamp())
    end,
    updated_at = clock_timestamp()
  where cron.name = %(name)s and cron.source = 'database'
  returning
    clock_timestamp() as now,
    cron.name,
    cron.source,
    cron.expression,
    cron.timezone,
    cron.worker,
    cron.args::text,
    cron.options::text,
    cron.catch_up,
    cron.paused_at,
    cron.paused_by,
    cron.last_tick_at,
    cron.inserted_at,
    cron.updated_at
),
told as (select count(baton.notify('baton.control', 'crons')) from edited)
select edited.* from edited cross join told
