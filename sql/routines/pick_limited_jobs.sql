-- Chooses the jobs that a fetch may claim from a queue with limits, partitions or ageing, in the order
-- in which they are to run; `retry_in` is the time in seconds after which it is worth to ask again,
-- null when only an event can change the answer.
-- Locks the row of the queue and waits for it, so that these decisions are made one after the other,
-- each on what the one before has committed; then the jobs, ascending by id, skipping those that
-- others hold. A fetch asks for its queues in the order of their names.
--
-- Partitions take turns: the walk over their keys begins behind the one that was served last, goes
-- round once at most, and stops when every free slot has a partition with room. One job of each is
-- taken, then a second of each, and so on. A walk that meets too many full partitions stops, and the
-- next one goes on behind it.
create or replace function baton.pick_limited_jobs(
  queue_name text, capacity integer, out ids bigint[], out retry_in double precision
)
language plpgsql
as $$
declare
  longest_walk constant integer := 1000;
  most_forgotten constant integer := 1000;
  setting baton.queues;
  moment timestamptz;
  keys text[] := '{}';
  rooms integer[] := '{}';
  weights bigint[] := '{}';
  room record;
  key text;
  place text;
  visits integer := 0;
  wrapped boolean := false;   -- whether the walk has passed the last key
  complete boolean := true;   -- whether it saw every partition that it needed to see
  picked bigint[];
  locked bigint[];
  held bigint[] := '{}';
  served text;
begin
  ids := '{}';
  select found.* into setting
  from baton.queues as found where found.name = queue_name
  for no key update;
  moment := clock_timestamp();

  if setting.partition_by is null then
    room := baton.queue_room(setting, null, moment);
    retry_in := room.wait;
    if room.jobs > 0 then
      keys := array[null::text];
      rooms := array[room.jobs];
      weights := array[room.weight];
    end if;
  else
    place := setting.last_partition;
    while cardinality(keys) < capacity loop
      if visits = longest_walk then
        complete := false;
        exit;
      end if;
      if place is null then
        wrapped := true;
        select job.partition_key into key from baton.jobs as job
        where job.state = 'available' and job.queue = queue_name and job.partition_key is not null
        order by job.partition_key
        limit 1;
      else
        select job.partition_key into key from baton.jobs as job
        where job.state = 'available' and job.queue = queue_name and job.partition_key > place
        order by job.partition_key
        limit 1;
      end if;
      if key is null and not wrapped then
        place := null;
        continue;
      end if;
      exit when key is null or wrapped and key > setting.last_partition;
      visits := visits + 1;
      place := key;
      room := baton.queue_room(setting, key, moment);
      retry_in := least(retry_in, room.wait);
      if room.jobs > 0 then
        keys := keys || key;
        rooms := rooms || room.jobs;
        weights := weights || room.weight;
      end if;
    end loop;
  end if;

  -- what others hold is left out of the second look, and so on
  for look in 1 .. 5 loop
    exit when cardinality(keys) = 0;
    select
      coalesce(array_agg(chosen.id order by chosen.rank, chosen.turn), '{}'),
      (array_agg(chosen.key order by chosen.rank desc, chosen.turn desc))[1]
    into picked, served
    from (
      select candidate.id, candidate.rank, visited.turn, visited.key
      from unnest(keys, rooms, weights) with ordinality as visited (key, room, weight, turn)
      cross join lateral (
        select
          next.id, next.rank,
          sum(least(next.weight, setting.rate_limit)) over (order by next.rank) as total
        from baton.next_jobs(
          queue_name,
          visited.key,
          least(visited.room, case when cardinality(keys) < capacity then capacity else 1 end),
          setting.ageing,
          moment,
          held
        ) as next
      ) as candidate
      where setting.rate_limit is null or candidate.total <= visited.weight
      order by candidate.rank, visited.turn
      limit capacity
    ) as chosen;
    locked := array(
      select job.id from baton.jobs as job
      where job.id = any (picked) and job.state = 'available' and job.queue = queue_name
      order by job.id
      for no key update skip locked
    );
    ids := array(
      select want.id from unnest(picked) with ordinality as want (id, turn)
      where want.id = any (locked)
      order by want.turn
    );
    exit when cardinality(ids) = cardinality(picked);
    held := held || array(select unnest(picked) except select unnest(ids));
  end loop;

  if cardinality(ids) < capacity and not complete then
    retry_in := least(retry_in, 0.05);
    served := place;
  end if;
  if setting.rate_limit is not null then
    if cardinality(ids) between 1 and capacity - 1 then
      retry_in := 0;  -- the next look knows when what is left may start
    end if;
    delete from baton.queue_starts as old
    where old.ctid = any (array(
      select start.ctid from baton.queue_starts as start
      where start.queue = queue_name
        and start.started_at <= moment - make_interval(secs => setting.rate_period)
      order by start.started_at
      limit most_forgotten
    ));
  end if;
  if served is not null and served is distinct from setting.last_partition then
    update baton.queues as found set last_partition = served where found.name = queue_name;
  end if;
end
$$;
