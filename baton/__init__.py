"""Baton: a job queue with DAG workflows that lives in PostgreSQL alone.

Define workers with `worker`, make jobs of them with ``.new()``, insert them one by one or as the
steps of a `Workflow`, and run ``baton worker`` processes that perform them.
"""

from collections.abc import Sequence
from importlib.metadata import version as _version
from typing import Any
from uuid import UUID as _UUID

from baton.ambient import ambient as _ambient
from baton.arguments import resource
from baton.changes import Change as _Change
from baton.changes import JobChanges
from baton.client import Client, SyncClient
from baton.conditions import Condition
from baton.crons import Cron
from baton.defaults import DefaultClient as _DefaultClient
from baton.defaults import DefaultSyncClient as _DefaultSyncClient
from baton.definitions import JobOptions
from baton.errors import BatonError
from baton.events import Events, Resumed, StepUpdated, WorkflowFinished
from baton.filters import JobFilter
from baton.graphs.graph import WorkflowGraph
from baton.jobs import Grafted, Job, NewJob, Results, Waited
from baton.migration import Migration
from baton.outcomes import Cancel, Discard, Error, Snooze, WaitForSignal
from baton.query import Query
from baton.registering import (
    before_insert,
    carry,
    condition,
    cron,
    lifespan,
    middleware,
    result_store,
    worker,
)
from baton.settings import Settings
from baton.states import State
from baton.status import Node, Progress, WorkflowStatus
from baton.steering import RetriedStep, Retry
from baton.steering import Steps as _Steps
from baton.telemetry import Telemetry
from baton.trees import WorkflowTree
from baton.unique import Unique
from baton.why import Fact, Reason, Why
from baton.worker_class import Worker
from baton.workers import Registry
from baton.workflows import Graft, Workflow

__all__ = [
    "BatonError",
    "Cancel",
    "Client",
    "Condition",
    "Cron",
    "Discard",
    "Error",
    "Events",
    "Fact",
    "Graft",
    "Grafted",
    "Job",
    "JobChanges",
    "JobFilter",
    "JobOptions",
    "Migration",
    "NewJob",
    "Node",
    "Progress",
    "Query",
    "Reason",
    "Registry",
    "Results",
    "Resumed",
    "RetriedStep",
    "Retry",
    "Settings",
    "Snooze",
    "State",
    "StepUpdated",
    "SyncClient",
    "Telemetry",
    "Unique",
    "WaitForSignal",
    "Waited",
    "Why",
    "Worker",
    "Workflow",
    "WorkflowFinished",
    "WorkflowGraph",
    "WorkflowStatus",
    "WorkflowTree",
    "before_insert",
    "cancel_job",
    "cancel_workflow",
    "carry",
    "condition",
    "cron",
    "delete_job",
    "insert",
    "insert_all",
    "insert_all_sync",
    "insert_sync",
    "lifespan",
    "middleware",
    "resource",
    "result_store",
    "retry_job",
    "retry_workflow",
    "skip_step",
    "update_job",
    "worker",
]

__version__ = _version("baton")

_ambient.use(_DefaultClient(), _DefaultSyncClient())


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
    return await _ambient.client.insert(job, conn=conn)


async def insert_all(jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]:
    """Insert jobs in one statement, all or none; return them in the same order, ids ascending.

    It takes and raises what `insert` does.
    """
    return await _ambient.client.insert_all(jobs, conn=conn)


def insert_sync(job: NewJob, *, conn: Any = None) -> Job:
    """Do what `insert` does, for programs without an event loop.

    ``conn`` is a psycopg ``Connection``, a ``Session`` or ``Connection`` of SQLAlchemy, or Django's
    connection.
    """
    return _ambient.sync_client.insert(job, conn=conn)


def insert_all_sync(jobs: Sequence[NewJob], *, conn: Any = None) -> list[Job]:
    """Do what `insert_all` does, for programs without an event loop."""
    return _ambient.sync_client.insert_all(jobs, conn=conn)


async def cancel_job(job_id: int, reason: str | None = None, *, conn: Any = None) -> bool:
    """Cancel a job with the default client; `Client.cancel_job` says more."""
    return await _ambient.client.cancel_job(job_id, reason, conn=conn)


async def retry_job(job_id: int, *, conn: Any = None) -> bool:
    """Run a job again, or now, with the default client; `Client.retry_job` says more."""
    return await _ambient.client.retry_job(job_id, conn=conn)


async def delete_job(job_id: int, *, conn: Any = None) -> bool:
    """Delete a job with the default client; `Client.delete_job` says more."""
    return await _ambient.client.delete_job(job_id, conn=conn)


async def cancel_workflow(
    workflow_id: _UUID | str, reason: str | None = None, *, conn: Any = None
) -> int:
    """Cancel a workflow with the default client; `Client.cancel_workflow` says more."""
    return await _ambient.client.cancel_workflow(workflow_id, reason, conn=conn)


async def retry_workflow(
    workflow_id: _UUID | str,
    steps: _Steps = None,
    *,
    dry_run: bool = False,
    conn: Any = None,
) -> Retry:
    """Run steps of a workflow again with the default client; `Client.retry_workflow` says more."""
    found: Retry = await _ambient.client.retry_workflow(
        workflow_id, steps, dry_run=dry_run, conn=conn
    )
    return found


async def skip_step(
    workflow_id: _UUID | str,
    step: str,
    result: Any = None,
    *,
    reason: str | None = None,
    conn: Any = None,
) -> State:
    """Let a step count as completed with the default client; `Client.skip_step` says more."""
    return await _ambient.client.skip_step(workflow_id, step, result, reason=reason, conn=conn)


async def update_job(job_id: int, change: _Change, *, conn: Any = None) -> Job:
    """Change a job with the default client; `Client.update_job` says more."""
    return await _ambient.client.update_job(job_id, change, conn=conn)
