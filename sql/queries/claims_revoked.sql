-- Which of the claims that a process holds are not its any more: the job was cancelled, deleted,
-- rescued or edited by hand. One that its worker completed in a transaction of its own still is.
-- Locks nothing.
select claim.id, claim.epoch, coalesce(job.state::text, 'deleted') as became
from unnest(%(ids)s::bigint[], %(epochs)s::bigint[]) as claim (id, epoch)
left join baton.jobs as job on job.id = claim.id
where (job.epoch, job.attempted_by) is distinct from (claim.epoch, %(lease)s::bigint)
  or job.state not in ('executing', 'completed')
order by claim.id
