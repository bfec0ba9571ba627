-- Completes a job inside the caller's transaction; sql/routines/complete_job.sql says more.
select baton.complete_job(
  %(lease)s::bigint,
  %(job_id)s::bigint,
  %(epoch)s::bigint,
  %(result)s::text,
  %(step)s::boolean,
  %(before)s::boolean,
  %(graft)s::jsonb
)
