-- Stores a new version of a template and returns its number; when the newest version says the same,
-- that one's. Two that store the same name at once wait for each other: the lock is held until the
-- transaction ends, and the number is looked up in a statement after it.
create or replace function baton.put_template(template text, document jsonb) returns integer
language plpgsql
as $$
declare
  newest record;
  stored integer;
begin
  perform pg_advisory_xact_lock(hashtext('baton.templates'), hashtext(template));
  select known.version, known.definition into newest
  from baton.workflow_templates as known
  where known.name = template
  order by known.version desc
  limit 1;
  if newest.definition = document then
    return newest.version;
  end if;
  insert into baton.workflow_templates (name, version, definition)
  values (template, coalesce(newest.version, 0) + 1, document)
  returning version into stored;
  return stored;
end
$$;
