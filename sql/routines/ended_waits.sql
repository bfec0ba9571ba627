-- Which of the given steps are parked and have no more to wait for: what becomes of each (resume: it
-- runs again), with what result, and why. A signal that came wins over a time that ran out. The end of
-- a sub-workflow is that of its step. The answer to an approval is a signal; what does not say yes is a
-- no, whoever wrote it. A sub-workflow whose result PostgreSQL refuses has failed for good. Locks nothing.
create or replace function baton.ended_waits(ids bigint[])
returns table (job_id bigint, verdict text, result jsonb, cause text)
language sql stable
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
  select
    step.job_id,
    case
      when step.kind = 'workflow' then case
        when inner_flow.state = 'completed' and returned.reason is null then 'completed'
        when inner_flow.state = 'completed' or failed.discarded or inner_flow.id is null
          then 'discarded'
        else 'cancelled'
      end
      when step.kind = 'job' then 'resume'
      when step.kind = 'approval' and signal.name is not null and not answer.yes then (
        select case job.args ->> 'on_rejected'
          when 'completed' then 'completed' when 'discarded' then 'discarded' else 'cancelled'
        end
        from baton.jobs as job where job.id = step.job_id
      )
      when signal.name is not null then 'completed'
      else wait.on_timeout
    end,
    case
      when step.kind = 'workflow' then returned.result
      when step.kind = 'signal' then signal.payload
      when step.kind = 'approval' and signal.name is not null then signal.payload
      when step.kind = 'approval' and wait.on_timeout = 'completed' then jsonb_build_object(
        'approved', true, 'by', null, 'comment', null, 'at', clock_timestamp()
      )
    end,
    case
      when step.kind = 'workflow' and inner_flow.id is null then 'its workflow is gone'
      when step.kind = 'workflow' and returned.reason is not null then format(
        'what its steps returned is too much for one result, give it an output: %s', returned.reason
      )
      when step.kind = 'workflow' and inner_flow.state = 'failed' then format(
        'its workflow failed: %s%s',
        array_to_string(completion.failed_steps[1:3], ', '),
        case
          when cardinality(completion.failed_steps) > 3
            then format(' and %s more', cardinality(completion.failed_steps) - 3)
          else ''
        end
      )
      when step.kind = 'signal' and signal.name is null
        then format('signal %s did not come within %s s', wait.signal, step.wait_seconds)
      when step.kind = 'approval' and signal.name is null
        then format('nobody answered within %s s', step.wait_seconds)
      when step.kind = 'approval' then left(format(
        '%s by %s%s',
        case when answer.yes then 'approved' else 'rejected' end,
        coalesce(signal.sent_by, 'somebody'),
        ': ' || (signal.payload ->> 'comment')
      ), 4000)
    end
  from baton.workflow_steps as step
  join baton.workflow_waits as wait on wait.job_id = step.job_id and wait.woken_at is null
  left join baton.workflow_signals as signal
    on signal.workflow_id = step.workflow_id and signal.name = wait.signal
  cross join lateral (
    select coalesce(signal.payload @> '{"approved": true}', false) as yes
  ) as answer
  left join baton.workflows as inner_flow on inner_flow.id = step.subworkflow_id
  left join baton.workflow_completions as completion on completion.workflow_id = inner_flow.id
  left join lateral (
    select told.result, told.reason
    from baton.result_or_reason(inner_flow.id, inner_flow.output) as told
    where step.kind = 'workflow' and inner_flow.state = 'completed'
    limit 1  -- or it is called for every step, and asked afterwards whether it should have been
  ) as returned on true
  left join lateral (
    select exists (
      select from baton.workflow_steps as bad
      where bad.workflow_id = inner_flow.id
        and bad.step_name = any (completion.failed_steps)
        and bad.outcome = 'discarded'
    ) as discarded
  ) as failed on step.kind = 'workflow'
  where step.job_id = any (ids)
    and step.outcome is null
    and step.parked_at is not null
    and (
      signal.name is not null
      or wait.until <= clock_timestamp()
      or step.kind = 'workflow' and inner_flow.state is distinct from 'executing'
    )
$$;
