-- Which of the claims that a process holds are not its any more: the job was cancelled, deleted,
-- rescued or edited by hand. Locks nothing.
select claim.id, claim.epoch, coalesce(job.state::text, 'deleted') as became
from unnest(%(ids)s::bigint[], %(epochs)s::bigint[]) as claim (id, epoch)
left join baton.jobs as job on job.id = claim.id
where (job.state, job.epoch, job.attempted_by)
  is distinct from ('executing'::baton.job_state, claim.epoch, %(lease)s::bigint)
order by claim.id
