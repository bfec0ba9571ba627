-- Completes what SQL says about uniqueness, a JSON object with any of fields, keys, period (seconds),
-- states, on_conflict and replace, to what baton.insert_jobs takes; refuses what has no meaning.
-- The rules and defaults are those of Unique in Python.
create or replace function baton.unique_options(given jsonb) returns jsonb
language plpgsql immutable
as $$
declare
  waiting constant text[] := '{suspended,available,scheduled,retryable}';
  names constant jsonb := '{
    "fields": ["worker", "queue", "args", "meta"],
    "states": [
      "suspended", "available", "scheduled", "retryable", "executing", "completed", "discarded",
      "cancelled"
    ],
    "replace": [
      "args", "meta", "tags", "priority", "max_attempts", "scheduled_at", "timeout", "deadline"
    ]
  }';
  complete jsonb;
  option text;
begin
  if given is null or jsonb_typeof(given) = 'null' then
    return null;
  end if;
  if jsonb_typeof(given) <> 'object' then
    raise exception 'unique_by must be a JSON object, not %', given
      using errcode = 'invalid_parameter_value';
  end if;
  complete := '{
    "fields": ["worker", "queue", "args"], "keys": [], "period": null, "states": [],
    "on_conflict": "skip", "replace": []
  }'::jsonb || given;

  for option in select key from jsonb_object_keys(given) as key loop
    if option not in ('fields', 'keys', 'period', 'states', 'on_conflict', 'replace') then
      raise exception 'unique_by must not have %; it knows fields, keys, period, states, on_conflict and replace', to_json(option)
        using errcode = 'invalid_parameter_value';
    end if;
  end loop;
  foreach option in array '{fields,keys,states,replace}'::text[] loop
    if jsonb_typeof(complete -> option) <> 'array'
      or jsonb_path_exists(complete -> option, '$[*] ? (@.type() <> "string")')
    then
      raise exception 'unique_by: % must be an array of names, not %', option, complete -> option
        using errcode = 'invalid_parameter_value';
    end if;
    if names ? option and not (complete -> option) <@ (names -> option) then
      raise exception 'unique_by: % must be of %, not %', option, names -> option, complete -> option
        using errcode = 'invalid_parameter_value';
    end if;
  end loop;
  if complete -> 'fields' = '[]' then
    raise exception 'unique_by: fields must name at least one field'
      using errcode = 'invalid_parameter_value';
  end if;
  if complete -> 'keys' <> '[]' and not (complete -> 'fields') ?| '{args,meta}' then
    raise exception 'unique_by: keys are those of args and meta, and fields names neither'
      using errcode = 'invalid_parameter_value';
  end if;
  if coalesce(complete ->> 'on_conflict', '') not in ('skip', 'replace', 'reschedule') then
    raise exception 'unique_by: on_conflict must be skip, replace or reschedule, not %', complete -> 'on_conflict'
      using errcode = 'invalid_parameter_value';
  end if;
  if (complete ->> 'on_conflict' = 'replace') <> (complete -> 'replace' <> '[]') then
    raise exception 'unique_by: replace and "on_conflict": "replace" go together'
      using errcode = 'invalid_parameter_value';
  end if;
  case jsonb_typeof(complete -> 'period')
    when 'null' then null;
    when 'number' then
      if (complete ->> 'period')::numeric not between 0.000001 and 3153600000 then
        raise exception 'unique_by: period must be above 0 seconds and at most 100 years, not %', complete -> 'period'
          using errcode = 'invalid_parameter_value';
      end if;
    else
      raise exception 'unique_by: period must be a number of seconds, not %', complete -> 'period'
        using errcode = 'invalid_parameter_value';
  end case;
  if complete -> 'states' = '[]' then
    complete := jsonb_set(complete, '{states}', to_jsonb(
      case complete ->> 'on_conflict' when 'reschedule' then waiting else waiting || '{executing}'::text[] end
    ));
  end if;
  return complete;
end
$$;
