-- Gives back the jobs that a cycle claimed for this lease and could not report: the connection broke
-- between its commit and its answer. `known` are the jobs that the process holds. The attempt is not
-- counted, since nothing of it ran. Locks jobs ascending by id, skipping rows that others hold.
with returned as (
  update baton.jobs as job
  set
    state = 'available',
    attempt = greatest(job.attempt - 1, 0),
    unique_key = case when 'available' = any (job.unique_states) then job.unique_key end
  where job.id = any (array(
    select lost.id from baton.jobs as lost
    where lost.state = 'executing'
      and lost.attempted_by = %(lease)s
      and lost.id <> all (%(known)s::bigint[])
    order by lost.id
    for no key update skip locked
  ))
  returning job.id, job.queue
)
select
  (select array_agg(returned.id) from returned),
  (
    select count(baton.notify('baton.jobs', ready.queue))
    from (select distinct returned.queue from returned) as ready
  )
