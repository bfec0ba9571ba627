-- What people are shown who are asked by a step: what its dependencies returned, by name; those that its
-- arguments list, or all. A name that ends in :* stands for a fan-out. Locks nothing.
create or replace function baton.shown_results(step_id bigint) returns json
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select json_object_agg(part.step_name, part.result order by part.job_id)
  from baton.workflow_steps as step
  left join baton.jobs as job on job.id = step.job_id
  cross join lateral unnest(step.deps) as dep (name)
  join baton.workflow_steps as part
    on part.workflow_id = step.workflow_id and part.step_name = dep.name
  where step.job_id = step_id
    and (
      job.args -> 'shows' is null
      or job.args -> 'shows' ? dep.name
      or exists (
        select from jsonb_path_query(job.args -> 'shows', '$[*] ? (@ like_regex ":[*]$")') as fan (name)
        where starts_with(dep.name, left(fan.name #>> '{}', -1))
      )
    )
$$;
