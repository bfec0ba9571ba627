-- The net under everything that moves workflows: goes through the open steps of all executing workflows
-- and finds what nobody is going to see to, because it was edited by hand or lost with a server. What it
-- finds is written into workflow_releases, and the sweep does what is to be done; only what a hand has
-- done to a job is taken over into its step here. Found wrongly, it costs a look and changes nothing.
-- One process at a time does it, a portion of about `most` steps a call: `pause` seconds after the last
-- portion, or `rest` after a pass; baton.duties has how far it got. Steps whose affairs changed less
-- than `age` seconds ago are left to those who are at it.
create or replace function baton.sweep_slowly(
  pause double precision, rest double precision, age double precision, most integer,
  out examined bigint, out findings jsonb, out unfinished boolean
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  portion record;
  stuck record;
  owed bigint[] := '{}';
  ended bigint[] := '{}';
begin
  examined := 0;
  findings := '{}';
  unfinished := false;
  if not baton.take_duty('slow sweep', (
    select case when duty.progress = '{}' then rest else pause end
    from baton.duties as duty where duty.name = 'slow sweep'
  )) then
    return;
  end if;

  select walk.* into portion
  from baton.duties as duty
  cross join lateral baton.walk_open_steps(most, age, duty.progress) as walk
  where duty.name = 'slow sweep';

  for stuck in
    select each.finding, array_agg(each.job_id order by each.job_id) as ids
    from baton.stuck_steps(portion.waiting, age) as each
    group by each.finding
  loop
    findings := findings || jsonb_build_object(stuck.finding, cardinality(stuck.ids));
    if stuck.finding in ('job_gone', 'job_ended') then
      ended := ended || baton.take_over_ends(stuck.ids);
    else
      if stuck.finding = 'wait_gone' then
        perform baton.unpark_steps(stuck.ids);
      end if;
      owed := owed || stuck.ids;
    end if;
  end loop;

  portion.ended := array(
    select step.job_id from baton.workflow_steps as step
    where step.job_id = any (portion.ended)
      and step.finished_at <= clock_timestamp() - make_interval(secs => age)
  );
  if cardinality(portion.ended) > 0 then
    findings := findings || jsonb_build_object('unfinished_workflow', cardinality(portion.ended));
    owed := owed || portion.ended;
  end if;

  if cardinality(owed || ended) > 0 then
    perform baton.owe_releases(ended, true);
    perform baton.owe_releases(owed, false);
    perform baton.notify('baton.control', 'sweep');
  end if;
  perform baton.compact_progress(most);

  examined := portion.examined;
  unfinished := portion.place <> '{}';
  update baton.duties as duty set progress = portion.place where duty.name = 'slow sweep';
end
$$;
