-- What the runner of the migrations knows; it makes this table before the first migration.

create table baton.migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
);

comment on table baton.migrations is 'One row per applied migration, and one for the routines.';
comment on column baton.migrations.name is 'The name of the migration; routines stands for all functions and procedures.';
comment on column baton.migrations.checksum is 'SHA-256 of what was applied.';
comment on column baton.migrations.applied_at is 'When it was applied.';
