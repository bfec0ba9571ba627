"""Errors of jobs, in groups of those that are alike."""

from baton.failures import ErrorGroup, Failed, grouped, page
from baton.search import ErrorSearch
from baton.store import matching
from baton.store.asking import Asking, Statement

LOOKED_AT = 2_000  # discarded jobs, and as many that will be tried again


def errors(
    search: ErrorSearch, *, after: str | None = None, limit: int | None = None
) -> Asking[list[ErrorGroup]]:
    """Return the errors of the newest jobs that fit, the most frequent ones first.

    Args:
        search: what they must fit.
        after: the place of the last group of the page before.
        limit: how many groups at most.

    Raises:
        InvalidFilter: there is no such place.
    """
    fits = matching.errors(search.conditions)
    rows = yield Statement("error_list", {"most": LOOKED_AT, **fits.params}, fits.sql)
    groups = grouped(Failed(*row) for row in rows)
    return page(groups, search.groups, after=after, limit=limit)
