-- Inserts a batch in which some jobs are unique, for baton.insert_jobs: each comes to a row of its
-- own, or to the one that is there and holds its key. `jobs` are numbered from 1 without gaps.
--
-- A key is held by one row at most: the index jobs_unique enforces that against every other process
-- and inside the batch. An insert of the same key that is not committed yet is waited for. The row
-- that holds a key is looked at without a lock and left alone, unless its period has passed, and it
-- loses the key, or its fields are to be replaced while it waits.
--
-- No two batches wait for each other, whatever the order of their jobs: an attempt inserts in the
-- order of the keys, then locks what it has to change ascending by id, and after that waits for
-- nothing, since a key that it took away nobody else can take before it. Should a row have given up
-- its key between the look and the lock, the attempt is undone, locks and all, and made again. So
-- keys are waited for while no row is held, and rows while only rows and keys are.
--
-- Runs with the rights of the owner, so that who may insert needs none to change rows: one that may set a
-- state could end any job. It changes nothing but waiting rows that hold a key of the batch, as they ask.
create or replace function baton.insert_unique_jobs(present timestamptz, jobs baton.new_job[])
returns table (ordinal bigint, conflict boolean, job baton.jobs)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_nestloop = off
as $$
declare
  -- drawn in the order of the batch, which is not the one in which it is inserted
  ids constant bigint[] := array(
    select nextval('baton.jobs_id_seq') from generate_series(1, cardinality(jobs))
  );
  homes bigint[];        -- by ordinal: the row that the job came to
  waits boolean[];       -- by ordinal: whether it came to none yet
  holders bigint[];      -- by ordinal: the row that holds the key of a job that waits
  lapsed boolean[];      -- by ordinal: whether the period of that one has passed
  lost boolean;          -- whether nothing holds the key of a job that waits
  touched bigint[];      -- rows of others that are to change
  held bigint[];         -- those of them that were locked
  written baton.jobs[];  -- rows as they were written here, newest last
  seen baton.jobs[];     -- rows as they were found, newest last
  more baton.jobs[];
begin
  loop
    begin
      homes := ids;
      waits := array_fill(true, array[cardinality(ids)]);
      held := '{}';
      written := '{}';
      seen := '{}';
      loop
        with inserted as (
          insert into baton.jobs as fresh (
            id, state, queue, worker, args, meta, tags, priority, max_attempts, inserted_at,
            scheduled_at, timeout, deadline, weight, partition_key, unique_key, unique_states
          )
          overriding system value
          select
            ids[given.ordinal], given.state, given.queue, given.worker, given.args, given.meta,
            given.tags, given.priority, given.max_attempts, present, given.scheduled_at,
            given.timeout, given.deadline, given.weight, given.partition_key, given.unique_key,
            given.unique_states
          from unnest(jobs) as given
          where waits[given.ordinal]
          order by given.unique_key collate "C", given.ordinal
          on conflict (unique_key) where unique_key is not null and state = any (unique_states)
          do nothing
          returning fresh.id, fresh as job
        )
        select
          array(select inserted.job from inserted),
          array(
            select waits[each.ordinal] and inserted.id is null
            from unnest(ids) with ordinality as each (id, ordinal)
            left join inserted on inserted.id = each.id
            order by each.ordinal
          )
        into more, waits;
        written := written || more;
        exit when true <> all (waits);

        more := array(
          select holder from baton.jobs as holder
          where holder.unique_key is not null
            and holder.state = any (holder.unique_states)
            and holder.unique_key = any (array(
              select given.unique_key from unnest(jobs) as given where waits[given.ordinal]
            ))
        );
        seen := seen || more;

        select
          array_agg(holder.id order by given.ordinal),
          array_agg(aged.out order by given.ordinal),
          bool_or(waits[given.ordinal] and holder.id is null),
          array_agg(distinct holder.id) filter (
            where aged.out
              or given.unique_by ->> 'on_conflict' <> 'skip'
              and holder.state in ('suspended', 'available', 'scheduled', 'retryable')
          )
        into holders, lapsed, lost, touched
        from unnest(jobs) as given
        left join unnest(more) as holder
          on holder.unique_key = given.unique_key and waits[given.ordinal]
        cross join lateral (
          select coalesce(
            holder.inserted_at
              + make_interval(secs => (given.unique_by ->> 'period')::double precision) <= present,
            false
          ) as out
        ) as aged;

        more := array(
          select holder from baton.jobs as holder
          where holder.id = any (touched)
            and holder.unique_key is not null
            and holder.state = any (holder.unique_states)
          order by holder.id
          for no key update
        );
        if lost or cardinality(more) < cardinality(touched) then
          raise exception 'a unique key was given up' using errcode = 'BA001';
        end if;
        held := held || touched;
        seen := seen || more;

        update baton.jobs as old
        set unique_key = null
        where old.id = any (array(
          select holders[each.ordinal]
          from unnest(lapsed) with ordinality as each (lapsed, ordinal) where each.lapsed
        ));
        homes := array(
          select case when waits[each.ordinal] and not each.lapsed then holders[each.ordinal] else each.home end
          from unnest(homes, lapsed) with ordinality as each (home, lapsed, ordinal)
          order by each.ordinal
        );
        waits := lapsed;
        exit when true <> all (waits);
      end loop;

      if cardinality(held) > 0 then
        -- of each row and field, the last job of the batch that replaces it
        with wish as (
          select
            homes[given.ordinal] as id,
            given.ordinal,
            case given.unique_by ->> 'on_conflict'
              when 'reschedule' then '["scheduled_at"]'
              else given.unique_by -> 'replace'
            end as fields
          from unnest(jobs) as given
          where homes[given.ordinal] <> ids[given.ordinal]
            and given.unique_by ->> 'on_conflict' <> 'skip'
        ),
        last as (
          select
            wish.id,
            max(wish.ordinal) filter (where wish.fields ? 'args') as args,
            max(wish.ordinal) filter (where wish.fields ? 'meta') as meta,
            max(wish.ordinal) filter (where wish.fields ? 'tags') as tags,
            max(wish.ordinal) filter (where wish.fields ? 'priority') as priority,
            max(wish.ordinal) filter (where wish.fields ? 'max_attempts') as max_attempts,
            max(wish.ordinal) filter (where wish.fields ? 'scheduled_at') as scheduled_at,
            max(wish.ordinal) filter (where wish.fields ? 'timeout') as timeout,
            max(wish.ordinal) filter (where wish.fields ? 'deadline') as deadline
          from wish
          group by wish.id
        ),
        next as (
          select
            before.id,
            case
              when last.scheduled_at is null or before.state = 'suspended' then before.state
              when (jobs[last.scheduled_at]).scheduled_at <= present then 'available'
              when before.state = 'available' then 'scheduled'
              else before.state
            end as state,
            coalesce((jobs[last.args]).args, before.args) as args,
            coalesce((jobs[last.meta]).meta, before.meta) as meta,
            coalesce((jobs[last.tags]).tags, before.tags) as tags,
            coalesce((jobs[last.priority]).priority, before.priority) as priority,
            coalesce((jobs[last.max_attempts]).max_attempts, before.max_attempts) as max_attempts,
            coalesce((jobs[last.scheduled_at]).scheduled_at, before.scheduled_at) as scheduled_at,
            case
              when last.timeout is null then before.timeout else (jobs[last.timeout]).timeout
            end as timeout,
            case
              when last.deadline is null then before.deadline else (jobs[last.deadline]).deadline
            end as deadline
          from last
          join baton.jobs as before on before.id = last.id
          where before.id = any (held)
            and before.state in ('suspended', 'available', 'scheduled', 'retryable')
        ),
        changed as (
          update baton.jobs as target
          set
            state = next.state,
            args = next.args,
            meta = next.meta,
            tags = next.tags,
            priority = next.priority,
            max_attempts = next.max_attempts,
            scheduled_at = next.scheduled_at,
            timeout = next.timeout,
            deadline = next.deadline,
            partition_key = baton.partition_key(
              (
                select setting.partition_by from baton.queues as setting
                where setting.name = target.queue
              ),
              target.worker, next.args, next.meta
            ),
            unique_key = case
              when next.state = any (target.unique_states) then target.unique_key
            end
          from next
          where target.id = next.id and target.id = any (held)
          returning target as job
        )
        select array(select changed.job from changed) into more;
        written := written || more;
      end if;
      exit;
    exception when sqlstate 'BA001' then
      null;
    end;
  end loop;

  return query
  with version as (
    select seen[place] as job, false as is_ours, place
    from generate_subscripts(seen, 1) as place
    union all
    select written[place], true, place + cardinality(seen)
    from generate_subscripts(written, 1) as place
  ),
  newest as (
    select distinct on ((version.job).id) (version.job).id, version.job, version.is_ours
    from version
    order by (version.job).id, version.place desc
  ),
  told as (
    select count(baton.notify('baton.jobs', ready.queue)) as queues
    from (
      select distinct (newest.job).queue from newest
      where newest.is_ours and (newest.job).state = 'available'
    ) as ready
  ),
  warned as (
    select count(baton.notify('baton.control', 'due')) as words
    where exists (
      select from newest
      where newest.is_ours
        and (newest.job).state = 'scheduled'
        and (newest.job).scheduled_at < present + interval '1.5 s'
    )
  )
  select home.ordinal, newest.id <> ids[home.ordinal], newest.job
  from unnest(homes) with ordinality as home (id, ordinal)
  join newest on newest.id = home.id
  cross join told
  cross join warned;
end
$$;

revoke execute on function baton.insert_unique_jobs(timestamptz, baton.new_job[]) from public;
