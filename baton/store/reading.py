"""Looking at jobs as they stand. Nothing here locks or writes."""

from uuid import UUID

from baton.jobs import Job
from baton.store.pools import Database
from baton.store.rows import to_job

_LARGEST_ID = 2**63 - 1


async def get_job(database: Database, job_id: int) -> Job | None:
    """Return a job, or ``None`` when there is none of that id."""
    # an id that is no bigint would be compared as a numeric, with every row
    if not 0 < job_id <= _LARGEST_ID:
        return None
    found = await database.run("job_get", {"id": job_id})
    return to_job(found[0]) if found else None


async def list_jobs(
    database: Database,
    *,
    state: str | None = None,
    queue: str | None = None,
    worker: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Job]:
    """Return the newest jobs that fit.

    Args:
        database: where.
        state: one of `State`.
        queue: the whole name.
        worker: the whole name.
        before: the last id of the page before.
        limit: how many at most.
    """
    if before is not None:
        before = max(0, min(before, _LARGEST_ID))
    params = {"state": state, "queue": queue, "worker": worker, "before": before, "limit": limit}
    return [to_job(row) for row in await database.run("job_list", params)]


async def running_steps(database: Database, workflow_id: UUID) -> dict[str, str]:
    """Return the names of the steps that run right now, with the process that runs each."""
    return dict(await database.run("workflow_running", {"id": workflow_id}))
