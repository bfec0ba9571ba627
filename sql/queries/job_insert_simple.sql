-- Inserts one job that has nothing but a queue, a worker and arguments, and tells its queue. Locks
-- nothing. The time is that of the statement, not that of the transaction, which may be a long one.
-- What job_insert_one.sql does for any job that is not unique takes a fifth longer than this.
insert into baton.jobs (queue, worker, args, inserted_at, scheduled_at, partition_key)
values (
  %(queue)s::text,
  %(worker)s::text,
  %(args)s::jsonb,
  statement_timestamp(),
  statement_timestamp(),
  (
    select baton.partition_key(
      setting.partition_by, %(worker)s::text, %(args)s::jsonb, '{}'
    )
    from baton.queues as setting
    where setting.name = %(queue)s::text
  )
)
returning id, inserted_at, baton.notify('baton.jobs', queue)
