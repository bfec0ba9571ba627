-- Finishes what a crash left between two halves of a cycle, and what people did to workflows;
-- sql/routines/sweep_releases.sql says how.
select swept, released, notices, unfinished
from baton.sweep_releases(%(age)s, %(pause)s, %(most)s, %(announce)s)
