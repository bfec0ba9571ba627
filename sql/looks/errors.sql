-- Which errors jobs failed with, the most frequent first: digits are left out, so that like is with like.
select
  worker,
  errors -> -1 ->> 'kind' as kind,
  left(regexp_replace(errors -> -1 ->> 'message', '[0-9]+', '#', 'g'), 80) as message,
  count(*) as jobs,
  min(id) as first_job,
  max(id) as last_job
from baton.jobs
where state in ('discarded', 'cancelled') or state in ('scheduled', 'retryable')
group by worker, kind, message
having max(jsonb_array_length(errors)) > 0
order by jobs desc
limit 50
