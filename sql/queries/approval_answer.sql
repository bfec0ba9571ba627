-- Says yes or no to a step that asks; sql/routines/answer_approval.sql says how.
select answer.verdict, answer.told_by, answer.told_at, answer.said::text, answer.stands
from baton.answer_approval(
  %(id)s, %(name)s::text, %(approved)s::boolean, %(answered_by)s::text, %(comment)s::text
) as answer
