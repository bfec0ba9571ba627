-- Takes jobs away from dead processes; sql/routines/rescue_jobs.sql says how.
select leases, rescued, discarded, notices
from baton.rescue_jobs(%(silence)s::double precision, %(pause)s, %(most)s, %(announce)s, %(own)s::bigint)
