"""Filters as SQL: fixed pieces of text put together, and every value a parameter.

Only the conditions that were asked for stand in a statement, and states stand in it literally, so
that partial indexes serve it however often it is prepared. `jobs` and `lists` say what the fields
of each kind of list are in its statement.
"""

from baton.store.matching.jobs import deeds, in_states, jobs, workflows
from baton.store.matching.lists import approvals, crons, errors, processes, queues
from baton.store.matching.pieces import Matching

__all__ = [
    "Matching",
    "approvals",
    "crons",
    "deeds",
    "errors",
    "in_states",
    "jobs",
    "processes",
    "queues",
    "workflows",
]
