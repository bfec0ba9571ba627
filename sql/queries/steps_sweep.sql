-- Finds what nobody is going to see to; sql/routines/sweep_slowly.sql says how.
select examined, findings, unfinished
from baton.sweep_slowly(%(pause)s, %(rest)s, %(age)s, %(most)s)
