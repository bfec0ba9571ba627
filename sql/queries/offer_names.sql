-- Names of the newest workflows, for a shell. Locks nothing.
select distinct recent.name
from (
  select workflow.name from baton.workflows as workflow
  order by workflow.inserted_at desc, workflow.id desc
  limit 1000
) as recent
where recent.name is not null
order by recent.name
limit %(most)s
