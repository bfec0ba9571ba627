-- What is lost when the schema is dropped. Locks nothing.
select
  (select count(*) from baton.jobs) as jobs,
  (select count(*) from baton.workflows) as workflows,
  (select count(*) from baton.leases where expires_at > now()) as processes
