-- What two jobs have in common that count as the same: a hash of the fields that `unique_by` names,
-- and of the keys of args and meta that it names, if it names any. jsonb writes a document in one
-- way only, and nothing here depends on the schema or the order of the names. What Baton itself
-- adds to a job's meta is left out.
create or replace function baton.unique_key(
  unique_by jsonb, queue text, worker text, args jsonb, meta jsonb
) returns text
language sql stable parallel safe
as $$
  select encode(sha256(convert_to(
    jsonb_build_array(
      case when fields ? 'queue' then queue end,
      case when fields ? 'worker' then worker end,
      case when fields ? 'args' then baton.only_keys(args, keys) end,
      case
        when fields ? 'meta' then baton.only_keys(
          meta - '{context,workflow_id,workflow_name,workflow_label,workflow_debug}'::text[], keys
        )
      end,
      to_jsonb(keys)
    )::text,
    'UTF8'
  )), 'hex')
  from (
    select
      unique_by -> 'fields' as fields,
      (
        select array_agg(distinct key order by key)
        from jsonb_array_elements_text(unique_by -> 'keys') as key
      ) as keys
  ) as chosen
$$;
