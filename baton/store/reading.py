"""Looking: jobs and workflows as they stand. Nothing here locks or writes."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from baton.jobs import Job, State
from baton.status import Node, WorkflowStatus
from baton.store.door import Row
from baton.store.pools import Database
from baton.store.rows import to_job


async def get_job(database: Database, job_id: int) -> Job | None:
    """Return a job, or ``None`` when there is none of that id."""
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
    """Return the newest jobs that fit; ``before`` is the last id of the page before."""
    params = {"state": state, "queue": queue, "worker": worker, "before": before, "limit": limit}
    return [to_job(row) for row in await database.run("job_list", params)]


async def workflow_status(database: Database, workflow_id: UUID) -> WorkflowStatus | None:
    """Return a workflow and its nodes, or ``None`` when there is none of that id."""
    found = await database.run("workflow_get", {"id": workflow_id})
    if not found:
        return None
    nodes = await database.run("workflow_nodes", {"id": workflow_id})
    return _status(found[0], [_node(row) for row in nodes])


async def list_workflows(
    database: Database,
    *,
    state: str | None = None,
    name: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[WorkflowStatus]:
    """Return the newest workflows that fit, without their nodes.

    ``before`` is ``(inserted_at, id)`` of the last one of the page before.
    """
    inserted_at, workflow_id = before or (None, None)
    params: dict[str, Any] = {"state": state, "name": name, "limit": limit}
    params |= {"before": inserted_at, "before_id": workflow_id}
    return [_status(row) for row in await database.run("workflow_list", params)]


async def running_steps(database: Database, workflow_id: UUID) -> dict[str, str]:
    """Return the names of the steps that run right now, with the process that runs each."""
    return dict(await database.run("workflow_running", {"id": workflow_id}))


async def find_workflows(database: Database, prefix: str, *, limit: int) -> list[UUID]:
    """Return ids that begin with a text, newest first."""
    found = await database.run("workflow_find", {"prefix": prefix, "limit": limit})
    return [row[0] for row in found]


def _status(row: Row, nodes: Sequence[Node] = ()) -> WorkflowStatus:
    workflow_id, name, state, inserted_at, finished_at, counts = row
    return WorkflowStatus(
        id=workflow_id,
        name=name,
        state=state,
        inserted_at=inserted_at,
        finished_at=finished_at,
        counts=Counter({State(key): count for key, count in (counts or {}).items()}),
        nodes=nodes,
    )


def _node(row: Row) -> Node:
    (
        step_name,
        state,
        deps,
        result,
        error,
        duration,
        worker,
        queue,
        attempt,
        started_at,
        finished_at,
        inserted_at,
        job_id,
    ) = row
    return Node(
        step_name=step_name,
        state=State(state),
        deps=deps,
        result=result,
        error=error,
        duration=duration,
        worker=worker,
        queue=queue,
        attempt=attempt,
        started_at=started_at,
        finished_at=finished_at,
        inserted_at=inserted_at,
        job_id=job_id,
    )
