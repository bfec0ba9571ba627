-- Looks at the budgets that attempts which have ended had reserved something of, and lets run what fits now.
-- sql/routines/release_held.sql says what it locks; what others hold is passed over.
select baton.release_held(
  array(
    select distinct each.budget_id
    from baton.budget_reservations as each
    where not exists (
      select from baton.jobs as job
      where job.id = each.job_id
        and job.state = 'executing' and job.epoch = each.epoch and job.attempted_by = each.lease
    )
  ),
  false
)
