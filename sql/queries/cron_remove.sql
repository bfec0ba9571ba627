-- Removes an entry and tells the schedulers; its jobs stay.
with removed as (
  delete from baton.crons as cron where cron.name = %(name)s returning cron.name
),
told as (select count(baton.notify('baton.control', 'crons')) from removed)
select removed.name from removed cross join told
