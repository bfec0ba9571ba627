-- Puts rows of workflow_progress that are of the same workflow together, up to `most` of them, so that
-- reading the progress of a workflow stays cheap however often a portion of its steps ended. Returns how
-- many rows there are fewer; 0 when there is nothing left to do.
-- Rows are never changed, only added and put together: a reader sees those from before or the one
-- from after, which have the same sum. Locks rows in the order of their workflows and passes over those
-- that another compaction holds.
create or replace function baton.compact_progress(most integer) returns bigint
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  fewer bigint;
begin
  with many as (
    select part.workflow_id
    from baton.workflow_progress as part
    group by part.workflow_id
    having count(*) > 1
    order by part.workflow_id
    limit most / 2 + 1
  ),
  held as materialized (
    select part.id, part.workflow_id
    from baton.workflow_progress as part
    where part.workflow_id in (select many.workflow_id from many)
    order by part.workflow_id, part.id
    limit greatest(most, 2)
    for update skip locked
  ),
  gone as (
    delete from baton.workflow_progress as part
    where part.id in (
      select held.id from held
      where held.workflow_id in (
        select each.workflow_id from held as each group by each.workflow_id having count(*) > 1
      )
    )
    returning part.*
  ),
  kept as (
    insert into baton.workflow_progress (workflow_id, added, completed, skipped, discarded, cancelled)
    select
      gone.workflow_id,
      sum(gone.added), sum(gone.completed), sum(gone.skipped), sum(gone.discarded), sum(gone.cancelled)
    from gone
    group by gone.workflow_id
    returning id
  )
  select (select count(*) from gone) - (select count(*) from kept) into fewer;
  return fewer;
end
$$;
