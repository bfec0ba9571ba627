-- Gives the jobs of a queue that are not final their partitions, or takes them away when the queue
-- has none any more. One call looks at `most` jobs with ids above `after` and returns the last of
-- them, null when there are no more. Locks jobs ascending by id, skipping what others hold: those
-- end soon, or repair_partitions finds them.
create or replace function baton.partition_jobs(queue_name text, after bigint, most integer)
returns bigint
language plpgsql
set enable_seqscan = off set enable_bitmapscan = off
as $$
declare
  divides text;
  last bigint;
begin
  select known.partition_by into divides from baton.queues as known where known.name = queue_name;
  select max(portion.id) into last
  from (
    select job.id from baton.jobs as job where job.id > after order by job.id limit most
  ) as portion;
  update baton.jobs as job
  set partition_key = baton.partition_key(divides, job.worker, job.args, job.meta)
  where job.id = any (array(
    select wrong.id from baton.jobs as wrong
    where wrong.id > after and wrong.id <= last
      and wrong.queue = queue_name
      and wrong.state in ('available', 'scheduled', 'suspended', 'executing', 'retryable')
      and wrong.partition_key
        is distinct from baton.partition_key(divides, wrong.worker, wrong.args, wrong.meta)
    order by wrong.id
    for no key update skip locked
  ));
  if last is null then
    perform baton.notify('baton.jobs', queue_name);
  end if;
  return last;
end
$$;
