-- Deletes workflows that nothing needs any more: they have finished, at least `age` seconds ago, and the
-- jobs of all their steps and sub-workflows were pruned; null keeps all. And logs of debugging that
-- are more than `log_age` seconds old, and what was recorded of the use of language models more than
-- `stat_age` seconds ago, whatever they belong to; null keeps them.
-- One process at a time does it, at most `most` rows of each table a call: `pause` seconds after the
-- last portion, or `rest` after a pass; baton.duties has how far it got, and which workflows it has
-- begun to delete. `pruned` has the number of rows by table.
create or replace function baton.prune_workflows(
  age double precision, log_age double precision, pause double precision, rest double precision,
  most integer, stat_age double precision default null,
  out pruned jsonb, out unfinished boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  before jsonb;
  condemned uuid[];
  look record;
  gone record;
  logs bigint;
  stats bigint;
begin
  pruned := '{}';
  unfinished := false;
  if not baton.take_duty('workflow prune', (
    select case when duty.progress = '{}' then rest else pause end
    from baton.duties as duty where duty.name = 'workflow prune'
  )) then
    return;
  end if;
  select duty.progress into before from baton.duties as duty where duty.name = 'workflow prune';
  condemned := array(select jsonb_array_elements_text(coalesce(before -> 'condemned', '[]'))::uuid);

  if age is not null then
    if condemned = '{}' then
      look := baton.orphaned_workflows(age, least(most, 1000), before - 'condemned');
      condemned := look.orphans;
      before := look.place;
    end if;
    if condemned <> '{}' then
      gone := baton.delete_workflows(condemned, most);
      pruned := gone.pruned;
      -- what can't be deleted now is found again by the next pass
      condemned := case
        when exists (select from jsonb_each(pruned) as each where each.value <> '0') then gone.rest
        else '{}'
      end;
    end if;
    unfinished := condemned <> '{}' or before - 'condemned' <> '{}';
  end if;

  if log_age is not null then
    with old as (
      delete from baton.workflow_debug_logs as log
      where log.id = any (array(
        select each.id from baton.workflow_debug_logs as each
        where each.inserted_at < clock_timestamp() - make_interval(secs => log_age)
        order by each.inserted_at
        limit most
        for update skip locked
      ))
      returning 1
    )
    select count(*) into logs from old;
    pruned := pruned || jsonb_build_object(
      'workflow_debug_logs', coalesce((pruned ->> 'workflow_debug_logs')::bigint, 0) + logs
    );
    unfinished := unfinished or logs = most;
  end if;

  if stat_age is not null then
    with old as (
      delete from baton.workflow_step_stats as stat
      where stat.ctid = any (array(
        select each.ctid from baton.workflow_step_stats as each
        where each.inserted_at < clock_timestamp() - make_interval(secs => stat_age)
        order by each.inserted_at
        limit most
        for update skip locked
      ))
      returning 1
    )
    select count(*) into stats from old;
    pruned := pruned || jsonb_build_object(
      'workflow_step_stats', coalesce((pruned ->> 'workflow_step_stats')::bigint, 0) + stats
    );
    unfinished := unfinished or stats = most;
  end if;

  select coalesce(jsonb_object_agg(each.key, each.value), '{}') into pruned
  from jsonb_each(pruned) as each
  where each.value <> '0';
  update baton.duties as duty
  set progress = case
    when unfinished then before || jsonb_build_object('condemned', condemned) else '{}'
  end
  where duty.name = 'workflow prune';
end
$$;
