-- What is to be known before jobs are copied: the time of the insert, which queues have partitions,
-- which a COPY can't fill in, and, as many as are asked for, the ids that the jobs will have. Locks
-- nothing. An id that is then not used is lost, as it is with an insert that fails.
select
  clock_timestamp(),
  array(select setting.name from baton.queues as setting where setting.partition_by is not null),
  array(select nextval('baton.jobs_id_seq') from generate_series(1, %(ids)s::integer))
