"""What the default client does, as functions of the package: `baton.insert` and its like."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from baton.ambient import ambient
from baton.changes import Change
from baton.jobs import Job, NewJob
from baton.states import State
from baton.steering import Retry, Steps


async def insert(job: NewJob, *, conn: Any = None) -> Job:
    """Insert a job with the default client.

    Args:
        job: from ``.new()`` of a worker.
        conn: an open psycopg ``AsyncConnection``, or an ``AsyncSession`` or ``AsyncConnection`` of
            SQLAlchemy: the job becomes part of its transaction.

    Raises:
        InvalidJob: it can't be stored.
        InvalidConnection: ``conn`` is closed, or of the wrong kind.
        ConfigurationError: a setting can't be used.
        DatabaseError: the database refused or is away.
    """
    return await ambient.client.insert(job, conn=conn)


async def insert_all(jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
    """Insert jobs, all or none; return them in the same order, ids ascending.

    It takes and raises what `insert` does.
    """
    return await ambient.client.insert_all(jobs, conn=conn)


async def insert_many(jobs: Iterable[NewJob], *, conn: Any = None) -> int:
    """Insert jobs, all or none, and return how many are new; `Client.insert_many` says more."""
    return await ambient.client.insert_many(jobs, conn=conn)


def insert_sync(job: NewJob, *, conn: Any = None) -> Job:
    """Do what `insert` does, for programs without an event loop.

    ``conn`` is a psycopg ``Connection``, a ``Session`` or ``Connection`` of SQLAlchemy, or Django's
    connection.
    """
    return ambient.sync_client.insert(job, conn=conn)


def insert_all_sync(jobs: Iterable[NewJob], *, conn: Any = None) -> Sequence[Job]:
    """Do what `insert_all` does, for programs without an event loop."""
    return ambient.sync_client.insert_all(jobs, conn=conn)


def insert_many_sync(jobs: Iterable[NewJob], *, conn: Any = None) -> int:
    """Do what `insert_many` does, for programs without an event loop."""
    return ambient.sync_client.insert_many(jobs, conn=conn)


async def cancel_job(job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
    """Cancel a job with the default client; `Client.cancel_job` says more."""
    return await ambient.client.cancel_job(job_id, reason, conn=conn)


async def retry_job(job_id: int, *, conn: Any = None) -> bool:
    """Run a job again, or now, with the default client; `Client.retry_job` says more."""
    return await ambient.client.retry_job(job_id, conn=conn)


async def delete_job(job_id: int, *, conn: Any = None) -> bool:
    """Delete a job with the default client; `Client.delete_job` says more."""
    return await ambient.client.delete_job(job_id, conn=conn)


async def cancel_workflow(
    workflow_id: UUID | str, reason: str | None = None, *, conn: Any = None
) -> int:
    """Cancel a workflow with the default client; `Client.cancel_workflow` says more."""
    return await ambient.client.cancel_workflow(workflow_id, reason, conn=conn)


async def retry_workflow(
    workflow_id: UUID | str,
    steps: Steps = None,
    *,
    dry_run: bool = False,
    conn: Any = None,
) -> Retry:
    """Run steps of a workflow again with the default client; `Client.retry_workflow` says more."""
    found: Retry = await ambient.client.retry_workflow(
        workflow_id, steps, dry_run=dry_run, conn=conn
    )
    return found


async def skip_step(
    workflow_id: UUID | str,
    step: str,
    result: Any = None,
    *,
    reason: str | None = None,
    conn: Any = None,
) -> State:
    """Let a step count as completed with the default client; `Client.skip_step` says more."""
    return await ambient.client.skip_step(workflow_id, step, result, reason=reason, conn=conn)


async def update_job(job_id: int, change: Change, *, conn: Any = None) -> Job:
    """Change a job with the default client; `Client.update_job` says more."""
    return await ambient.client.update_job(job_id, change, conn=conn)
