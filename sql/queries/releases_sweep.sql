-- Finishes what a crash left between two halves of a cycle; sql/routines/sweep_releases.sql says how.
select swept, released from baton.sweep_releases(%(age)s, %(pause)s, %(most)s)
