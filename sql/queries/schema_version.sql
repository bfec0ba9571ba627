-- The newest migration that was applied, 0 when all were taken back.
select coalesce(max(substring(name from '^[0-9]+')::integer), 0) from baton.migrations
