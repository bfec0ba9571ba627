-- The jobs of a workflow and its sub-workflows that have not ended, `most` of them at the most, in the
-- order in which they are best cancelled: what the bad end of others would set going comes first, and
-- of the rest what was inserted last. Locks nothing.
create or replace function baton.open_steps(flow uuid, most bigint default null)
returns setof bigint
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select step.job_id
  from baton.workflow_family(flow) as family (id)
  join baton.workflow_steps as step on step.workflow_id = family.id and step.outcome is null
  join baton.jobs as job
    on job.id = step.job_id and job.state not in ('completed', 'discarded', 'cancelled')
  order by
    step.run_on = 'completed' and not step.ignore_cancelled,
    step.job_id desc
  limit most
$$;
