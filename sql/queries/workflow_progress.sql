-- How many steps a workflow has, and how many of them ended how. Locks nothing.
select counted.total, counted.completed, counted.skipped, counted.discarded, counted.cancelled
from baton.read_progress(array[%(id)s::uuid]) as counted
