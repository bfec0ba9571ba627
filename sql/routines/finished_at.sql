-- When a finished job ended; a state that was written by hand may lack its time.
create or replace function baton.finished_at(job baton.jobs) returns timestamptz
language sql immutable
as $$
  select coalesce(
    case job.state
      when 'completed' then job.completed_at
      when 'discarded' then job.discarded_at
      when 'cancelled' then job.cancelled_at
    end,
    job.attempted_at,
    job.inserted_at
  )
$$;
