-- Whether a workflow is there, and its steps that have not ended, those of sub-workflows included, at
-- most `most` of them, in the order in which they are cancelled. Locks nothing.
select
  exists (select from baton.workflows as workflow where workflow.id = %(id)s),
  array(select baton.open_steps(%(id)s, %(most)s::bigint))
