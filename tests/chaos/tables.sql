-- What a chaos run writes down in the database beside Baton's own tables: every committed change of a
-- job's state, by a trigger in the transaction that makes it, and what the jobs themselves say.
create schema chaos;

create table chaos.moves (
  id bigint generated always as identity primary key,
  job bigint not null,
  was text,           -- null: inserted
  became text,        -- null: deleted
  was_epoch bigint,
  epoch bigint,
  lease bigint,
  attempt integer,
  queue text,
  at double precision not null default extract(epoch from clock_timestamp())
);

create table chaos.endings (
  id bigint generated always as identity primary key,
  workflow uuid not null,
  was text,
  became text,
  at double precision not null default extract(epoch from clock_timestamp())
);

create table chaos.records (
  kind text not null,
  job bigint not null,
  epoch bigint not null,
  attempt integer not null,
  lease bigint not null,
  pid integer not null,
  at double precision not null,
  outcome text
);

create table chaos.effects (
  job bigint not null,
  epoch bigint not null,
  pid integer not null,
  at double precision not null default extract(epoch from clock_timestamp())
);

create function chaos.note_move() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into chaos.moves (job, became, epoch, attempt, queue)
    values (new.id, new.state, new.epoch, new.attempt, new.queue);
  elsif tg_op = 'DELETE' then
    insert into chaos.moves (job, was, was_epoch, queue)
    values (old.id, old.state, old.epoch, old.queue);
  else
    insert into chaos.moves (job, was, became, was_epoch, epoch, lease, attempt, queue, at)
    values (
      new.id, old.state, new.state, old.epoch, new.epoch, new.attempted_by, new.attempt, new.queue,
      -- of a claim the time that limits count with
      extract(epoch from case when new.state = 'executing' then new.attempted_at else clock_timestamp() end)
    );
  end if;
  return null;
end
$$;

create trigger note_move after insert or delete on baton.jobs
  for each row execute function chaos.note_move();
create trigger note_change after update on baton.jobs
  for each row when (old.state is distinct from new.state or old.epoch is distinct from new.epoch)
  execute function chaos.note_move();

create function chaos.note_ending() returns trigger language plpgsql as $$
begin
  insert into chaos.endings (workflow, was, became)
  values (new.id, case when tg_op = 'UPDATE' then old.state end, new.state);
  return null;
end
$$;

create trigger note_start after insert on baton.workflows
  for each row execute function chaos.note_ending();
create trigger note_ending after update on baton.workflows
  for each row when (old.state is distinct from new.state)
  execute function chaos.note_ending();
