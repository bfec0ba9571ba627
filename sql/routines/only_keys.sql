-- The part of a JSON object that has these keys; all of it when they are null.
create or replace function baton.only_keys(object jsonb, keys text[]) returns jsonb
language sql immutable parallel safe
as $$
  select case
    when keys is null or jsonb_typeof(object) <> 'object' then object
    else coalesce(
      (
        select jsonb_object_agg(member.key, member.value)
        from jsonb_each(object) as member
        where member.key = any (keys)
      ),
      '{}'
    )
  end
$$;
