-- One cycle of a worker process, in one round trip and one wait for the disk:
--   A  acknowledge what ended, `done_` being what completed with nothing else to note, `step_` what the
--      steps among it returned, and `ack_` all others; commit. What a worker's own transaction may have
--      locked is left for the next cycle instead of waited for. `usage` is what attempts used of language
--      models, whether their acknowledgements are accepted or not: it was used; null for nothing.
--   B  tell of budgets of which what ended had reserved something; advance the workflows that A touched, and those of `releases`: rows of workflow_releases that
--      workers left in transactions of their own (one that is not committed yet, or is somebody
--      else's already, is not seen here; the sweep has it then). What ends in doing so is followed
--      after a further commit, and so on. Then fetch up to the free capacity of every queue,
--      including what was just released, as long as the lease is held; tell other processes about
--      released work that was not taken here and about freed slots of limited queues that this one
--      can't use; commit without waiting for the disk, since all of it can be done again.
-- `announce` says whether to publish what becomes of steps. It is done in B, each time before it
-- commits, because a notification makes the commits of everybody wait for this one. `notices` are
-- events that no acknowledgement of this process stands for.
-- The commit between them is the point: B's snapshots are newer than A, so of two processes that
-- end the last two dependencies of a step the later one sees both. A procedure, because only a
-- procedure can commit; it must be called outside a transaction.
create or replace procedure baton.cycle(
  lease bigint,
  done_ids bigint[],
  done_epochs bigint[],
  step_ids bigint[],
  step_results text[],
  ack_ids bigint[],
  ack_epochs bigint[],
  ack_states baton.job_state[],
  ack_delays double precision[],
  ack_refunds boolean[],
  ack_errors text[],
  ack_results text[],
  ack_steps boolean[],
  ack_waits boolean[],
  ack_notes text[],
  releases bigint[],
  usage jsonb,
  fetch_queues text[],
  fetch_capacities integer[],
  fetch_spares integer[],
  range_queues text[],
  range_priorities smallint[],
  range_times double precision[],
  range_ids bigint[],
  range_tops smallint[],
  announce boolean,
  out refused bigint[],
  out accepted bigint[],
  out held bigint[],
  out ids bigint[],
  out epochs bigint[],
  out queue_names text[],
  out workers text[],
  out args text[],
  out priorities smallint[],
  out attempts smallint[],
  out max_attempts smallint[],
  out inserted_ats double precision[],
  out scheduled_ats double precision[],
  out extras text[],
  out attempted_at double precision,
  out steps text,
  out results text,
  out retry_in double precision,
  out notices text[]
)
language plpgsql
as $$
declare
  release bigint;
  each bigint;
  advance record;
  pending bigint[] := releases;
  following bigint[];
  released bigint[] := '{}';
  told record;
  flows uuid[] := '{}';
  events text[] := '{}';
  start_flows uuid[];
  starts text[];
begin
  notices := '{}';
  if cardinality(ack_ids) > 0 then
    select finish.accepted, finish.release, finish.held
    into accepted, release, held
    from baton.finish_jobs(
      lease, ack_ids, ack_epochs, ack_states, ack_delays, ack_refunds, ack_errors, ack_results,
      ack_steps, ack_waits, ack_notes, done_ids
    ) as finish;
  end if;
  if cardinality(done_ids) > 0 then
    refused := baton.complete_jobs(lease, done_ids, done_epochs);
  end if;
  if cardinality(step_ids) > 0 then
    release := baton.complete_steps(step_ids, step_results, refused, release);
  end if;
  if usage is not null then
    perform baton.record_usage(usage);
  end if;
  if cardinality(ack_ids || done_ids) > 0 or usage is not null then
    commit;
    if release is not null then
      pending := pending || release;
    end if;
  end if;

  perform set_config('synchronous_commit', 'off', true);

  if usage is not null then  -- by itself, it costs no statement
    perform baton.notify('baton.control', 'budgets')
    where exists (
      select from baton.budget_reservations as each where each.job_id = any (done_ids || ack_ids)
    );
  end if;

  while cardinality(pending) > 0 loop
    following := '{}';
    foreach each in array pending loop
      advance := baton.advance_release(each, announce or each is distinct from release);
      released := released || advance.released;
      flows := flows || advance.flows || advance.further_flows;
      events := events || advance.events || advance.further;
      if each is distinct from release then
        notices := notices || advance.events;
      end if;
      notices := notices || advance.further;
      if advance.follow_up is not null then
        following := following || advance.follow_up;
      end if;
    end loop;
    pending := following;
    if cardinality(pending) > 0 then
      if announce then
        perform baton.publish(flows, events);
      end if;
      flows := '{}';
      events := '{}';
      commit;
      perform set_config('synchronous_commit', 'off', true);
    end if;
  end loop;

  if cardinality(fetch_queues) > 0 then
    select fetched.*
    into
      ids, epochs, queue_names, workers, args, priorities, attempts, max_attempts, inserted_ats,
      scheduled_ats, extras, attempted_at, steps, results, retry_in, start_flows, starts
    from baton.fetch_jobs(
      lease, fetch_queues, fetch_capacities, announce, fetch_spares, range_queues,
      range_priorities, range_times, range_ids, range_tops
    ) as fetched;
    flows := flows || start_flows;
    events := events || starts;
  end if;

  if cardinality(done_ids || ack_ids) > coalesce(cardinality(held), 0)
    and exists (select from baton.queues as setting where setting.global_limit is not null)
  then
    -- what was refused has left its place too, at the latest now
    perform baton.tell_freed(
      lease, array(select unnest(done_ids || ack_ids) except select unnest(held)), fetch_queues,
      fetch_capacities
    );
  end if;

  if cardinality(released) > 0 then
    perform baton.notify('baton.jobs', left_over.queue)
    from (
      select distinct job.queue from baton.jobs as job
      where job.id = any (array(select unnest(released) except select unnest(ids)))
        and job.state = 'available'
    ) as left_over;
  end if;

  if announce then
    if true = any (ack_steps) and ack_states && '{scheduled,retryable,suspended}' then
      told := baton.setback_events(
        lease, ack_ids, ack_epochs, ack_states, ack_refunds, ack_errors, accepted
      );
      flows := flows || told.flows;
      events := events || told.events;
    end if;
    perform baton.publish(flows, events);
  end if;
end
$$;
