-- Refuses a graft: `problem` and the step that it is about are the detail of the error, as JSON.
create or replace function baton.refuse_graft(problem text, step text, state text default null)
returns void
language plpgsql
as $$
begin
  raise exception 'the steps can''t be added: % %', problem, step
    using
      errcode = 'BT002',
      detail = jsonb_build_object('problem', problem, 'step', step, 'state', state)::text;
end
$$;
