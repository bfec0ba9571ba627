-- Says for people which budget it is and how much of it is spent.
create or replace function baton.budget_words(budget bigint) returns text
language sql stable
as $$
  select format(
    'the budget of %s: %s',
    case
      when standing.queue is null
        then 'workflow ' || coalesce(workflow.name, left(standing.workflow_id::text, 8))
      else format('queue %s for today', standing.queue)
    end,
    concat_ws(
      ' and ',
      baton.dollars(standing.spent_cost) || ' of ' || baton.dollars(standing.max_cost) || ' spent',
      standing.spent_tokens || ' of ' || standing.max_tokens || ' tokens used'
    )
  )
  from baton.budget_standing(array[budget]) as standing
  left join baton.workflows as workflow on workflow.id = standing.workflow_id
$$;
