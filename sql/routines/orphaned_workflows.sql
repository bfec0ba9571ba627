-- A portion of `most` workflows, from the oldest to the newest, and of them the ids of those that nothing
-- needs any more, each with its sub-workflows: all of the family have finished, the first one at least
-- `age` seconds ago, and the jobs of all their steps are gone. A sub-workflow goes with the workflow
-- that it is a part of, and by itself only when that one is gone.
-- `place` is where the portion before ended, an empty object at the beginning of a pass and at its end.
-- Locks nothing: who finished, and has no jobs, can't be retried.
create or replace function baton.orphaned_workflows(
  age double precision, most integer, inout place jsonb,
  out orphans uuid[], out examined bigint
)
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  -- what was inserted later has not been finished for so long
  until timestamptz := clock_timestamp() - make_interval(secs => age);
  since timestamptz := coalesce((place ->> 'since')::timestamptz, '-infinity');
  flow uuid := coalesce((place ->> 'workflow')::uuid, '00000000-0000-0000-0000-000000000000');
  looked record;
begin
  with portion as materialized (
    select workflow.id, workflow.inserted_at, workflow.finished_at, workflow.parent_job_id
    from baton.workflows as workflow
    where (workflow.inserted_at, workflow.id) > (since, flow)
      and workflow.inserted_at <= until
    order by workflow.inserted_at, workflow.id
    limit most
  ),
  candidate as materialized (
    select portion.id from portion
    where portion.finished_at <= until
      and not exists (
        select from baton.workflow_steps as holder where holder.job_id = portion.parent_job_id
      )
      and not baton.has_jobs(portion.id)
  )
  select
    (select count(*) from portion) as size,
    (
      select jsonb_build_object('since', last.inserted_at, 'workflow', last.id)
      from portion as last
      order by last.inserted_at desc, last.id desc
      limit 1
    ) as place,
    array(
      select distinct member.id
      from (
        select
          family.id,
          bool_or(
            workflow.state = 'executing'
            or family.id <> candidate.id and baton.has_jobs(family.id)
          ) over (partition by candidate.id) as needed
        from candidate
        cross join lateral baton.workflow_family(candidate.id) as family (id)
        join baton.workflows as workflow on workflow.id = family.id
      ) as member
      where member.needed is not true
    ) as orphans
  into looked;
  orphans := looked.orphans;
  examined := looked.size;
  place := case when looked.size = most then looked.place else '{}' end;
end
$$;
