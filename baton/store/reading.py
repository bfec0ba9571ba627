"""Looking at jobs as they stand. Nothing here locks or writes."""

from uuid import UUID

from baton.jobs import Job
from baton.search import JobSearch
from baton.store import matching
from baton.store.asking import Asking, Statement
from baton.store.rows import to_job

_LARGEST_ID = 2**63 - 1


def job(job_id: int) -> Asking[Job | None]:
    """Return a job, or ``None`` when there is none of that id."""
    # an id that is no bigint would be compared as a numeric, with every row
    if not 0 < job_id <= _LARGEST_ID:
        return None
    found = yield Statement("job_get", {"id": job_id})
    return to_job(found[0]) if found else None


def jobs(
    search: JobSearch | None = None, *, before: int | None = None, limit: int = 50
) -> Asking[list[Job]]:
    """Return the newest jobs that fit.

    Args:
        search: what they must fit.
        before: the last id of the page before.
        limit: how many at most.
    """
    search = search or JobSearch()
    if before is not None:
        before = max(0, min(before, _LARGEST_ID))
    fits = matching.jobs(search.conditions, search.states)
    ids = None if search.ids is None else list(search.ids)
    params = {"ids": ids, "before": before, "limit": limit, **fits.params}
    rows = yield Statement("job_list", params, fits.sql)
    return [to_job(row) for row in rows]


def running_steps(workflow_id: UUID) -> Asking[dict[str, str]]:
    """Return the names of the steps that run right now, with the process that runs each."""
    rows = yield Statement("workflow_running", {"id": workflow_id})
    return {str(name): str(process) for name, process in rows}
