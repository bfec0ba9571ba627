-- What a workflow returned, or why nobody can have it: PostgreSQL makes no object of more than 256 MB,
-- and the results of many steps may come to more than that. A routine of its own, since only a block
-- that catches the error goes on after it. Locks nothing.
create or replace function baton.result_or_reason(
  flow uuid, output text, out result jsonb, out reason text
)
language plpgsql stable
as $$
begin
  result := baton.workflow_result(flow, output);
exception when program_limit_exceeded then
  reason := sqlerrm;
end
$$;
