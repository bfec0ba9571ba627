"""Workflows in the database: how one is inserted."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection

from baton import documents
from baton.errors import DatabaseError, DuplicateWorkflow
from baton.jobs import Job
from baton.store import door
from baton.store.jobs import job_columns
from baton.store.rows import to_job
from baton.workflows import NewStep, Workflow


async def insert(
    conn: AsyncConnection[Any], schema: str, workflow: Workflow, *, limit: int
) -> list[Job]:
    """Insert a workflow in one statement; return its jobs in the order of `Workflow.step_names`.

    Raises:
        InvalidWorkflow: the graph has a circle or a hole; nothing is inserted.
        DuplicateWorkflow: the id is taken.
        DatabaseError: the database refused or is away.
    """
    params = _params(workflow, limit)
    try:
        rows = await door.run(conn, schema, "workflow_insert", params)
    except DatabaseError as error:
        raise _named(error, workflow) from error
    return _jobs(rows, workflow)


def insert_sync(conn: Connection[Any], schema: str, workflow: Workflow, *, limit: int) -> list[Job]:
    """Do what `insert` does, on a synchronous connection."""
    params = _params(workflow, limit)
    try:
        rows = door.run_sync(conn, schema, "workflow_insert", params)
    except DatabaseError as error:
        raise _named(error, workflow) from error
    return _jobs(rows, workflow)


def _params(workflow: Workflow, limit: int) -> dict[str, Any]:
    steps = workflow.steps()
    ordinals = {step.name: ordinal for ordinal, step in enumerate(steps, start=1)}
    edges = [(ordinals[name], ordinals[step.name]) for step in steps for name in step.deps]
    parents, children = door.columns(edges, 2)
    return {
        "workflow_id": workflow.workflow_id,
        "name": workflow.name,
        "meta": "{}",
        **job_columns(((step.job, _identity(workflow, step)) for step in steps), limit=limit),
        "suspended": [bool(step.deps) for step in steps],
        "step_names": [step.name for step in steps],
        "deps": [documents.encode(list(step.deps)) for step in steps],
        "ignore_cancelled": [step.ignore_cancelled for step in steps],
        "ignore_discarded": [step.ignore_discarded for step in steps],
        "edge_parents": parents,
        "edge_children": children,
    }


def _identity(workflow: Workflow, step: NewStep) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "workflow_id": str(workflow.workflow_id),
        "workflow_name": step.name,
    }
    if workflow.name is not None:
        identity["workflow_label"] = workflow.name
    if workflow.debug:
        identity["workflow_debug"] = True
    return identity


def _jobs(rows: Sequence[door.Row], workflow: Workflow) -> list[Job]:
    by_name = {job.step_name: job for job in (to_job(row) for row in rows)}
    return [by_name[name] for name in workflow.step_names()]


def _named(error: DatabaseError, workflow: Workflow) -> Exception:
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and cause.diag.constraint_name == "workflows_pkey":
        return DuplicateWorkflow(workflow.workflow_id)
    return error
