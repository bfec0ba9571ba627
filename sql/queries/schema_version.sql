-- The number of the newest applied migration; null when there is none, and also when there is no such
-- schema: a statement that names a missing table would abort the transaction that it is a part of.
-- ts_stat runs a query that is given as a text; query_to_xml does too, but not on every server.
-- Locks nothing.
select max(substring(applied.word from '^[0-9]+')::integer)
from ts_stat(
  case
    when to_regclass('baton.migrations') is null then 'select null::tsvector where false'
    else 'select array_to_tsvector(array[name]) from baton.migrations'
  end
) as applied
