-- Refuses a graft: `problem`, the step that it is about, and what else there is to say are the detail of
-- the error, as JSON.
create or replace function baton.refuse_graft(problem text, step text, more text default null)
returns void
language plpgsql
as $$
begin
  raise exception 'the steps can''t be added: % %', problem, step
    using
      errcode = 'BT002',
      detail = jsonb_build_object('problem', problem, 'step', step, 'more', more)::text;
end
$$;
