-- From a job to what holds it up, or has ended it, as far as steps wait for steps. Locks nothing.
with recursive chain (id, place) as (
  select %(id)s::bigint, 1
  union all
  select next.id, chain.place + 1
  from chain
  cross join lateral baton.blocking_step(chain.id) as next (id)
  where next.id is not null and chain.place < %(most)s
)
select chain.id from chain order by chain.place
