"""Looking: jobs and workflows as they stand. Nothing here locks or writes."""

import re
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

from baton.jobs import Job
from baton.states import State
from baton.status import WorkflowStatus
from baton.store.pools import Database
from baton.store.rows import to_job, to_node, to_workflow

_LARGEST_ID = 2**63 - 1
_DIGITS = re.compile(r"[0-9a-f]{1,32}")


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


async def workflow_status(
    database: Database, workflow_id: UUID, *, results: bool = True
) -> WorkflowStatus | None:
    """Return a workflow and its nodes, or ``None`` when there is none of that id.

    Args:
        database: where.
        workflow_id: which one.
        results: whether to read what the steps returned, which may be large.
    """
    found = await database.run("workflow_get", {"id": workflow_id})
    if not found:
        return None
    # after the workflow: one that is finished is not shown with steps from before its end
    rows = await database.run("workflow_nodes", {"ids": [workflow_id], "results": results})
    nodes = [to_node(row[1:]) for row in rows]
    return to_workflow(found[0], Counter(node.state for node in nodes), nodes)


async def list_workflows(
    database: Database,
    *,
    state: str | None = None,
    name: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[WorkflowStatus]:
    """Return the newest workflows that fit, without their nodes.

    Args:
        database: where.
        state: ``executing``, ``completed`` or ``failed``.
        name: the whole name.
        before: ``(inserted_at, id)`` of the last one of the page before.
        limit: how many at most.
    """
    inserted_at, workflow_id = before or (None, None)
    params: dict[str, Any] = {"state": state, "name": name, "limit": limit}
    params |= {"before": inserted_at, "before_id": workflow_id}
    return [
        to_workflow(row[:-1], Counter({State(key): number for key, number in row[-1].items()}))
        for row in await database.run("workflow_list", params)
    ]


async def running_steps(database: Database, workflow_id: UUID) -> dict[str, str]:
    """Return the names of the steps that run right now, with the process that runs each."""
    return dict(await database.run("workflow_running", {"id": workflow_id}))


async def find_workflows(database: Database, prefix: str, *, limit: int) -> list[UUID]:
    """Return the ids that begin with a text, with or without hyphens, the newest first."""
    digits = prefix.lower().replace("-", "")
    if not _DIGITS.fullmatch(digits):
        return []
    found = await database.run("workflow_find", {"digits": digits, "limit": limit})
    return [row[0] for row in found]
