"""Workflows in the database: how one is inserted."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection
from pydantic_core import from_json

from baton import documents
from baton.errors import (
    DatabaseError,
    DuplicateWorkflow,
    InvalidWorkflow,
    StatementConflict,
    TooLarge,
)
from baton.jobs import Job, NewJob
from baton.store import door
from baton.store.jobs import job_columns
from baton.store.rows import to_job
from baton.workflows import NewStep, Workflow

TRIES = 5  # the workflow that is in the way may end before it is read
COUNTED = 1_000  # steps from which on they are counted as they end, not when somebody looks


async def insert(
    conn: AsyncConnection[Any], schema: str, workflow: Workflow, *, limit: int
) -> list[Job]:
    """Insert a workflow in one statement; return its jobs in the order of `Workflow.step_names`.

    When a workflow with the same unique key executes, its jobs are returned instead.

    Raises:
        InvalidWorkflow: the graph has a circle or a hole; nothing is inserted.
        DuplicateWorkflow: the id is taken.
        DatabaseError: the database refused or is away.
    """
    params = _params(workflow, limit)
    for _ in range(TRIES):
        try:
            rows = await door.run(conn, schema, "workflow_insert", params)
        except DatabaseError as error:
            raise _named(error, workflow) from error
        if rows:
            return _jobs(rows, workflow)
        found = await door.run(conn, schema, "workflow_executing", {"key": workflow.unique})
        if found:
            return [to_job(row, conflict=True) for row in found]
    raise StatementConflict(f"workflows with the key {workflow.unique!r} come and go")


def insert_sync(conn: Connection[Any], schema: str, workflow: Workflow, *, limit: int) -> list[Job]:
    """Do what `insert` does, on a synchronous connection."""
    params = _params(workflow, limit)
    for _ in range(TRIES):
        try:
            rows = door.run_sync(conn, schema, "workflow_insert", params)
        except DatabaseError as error:
            raise _named(error, workflow) from error
        if rows:
            return _jobs(rows, workflow)
        found = door.run_sync(conn, schema, "workflow_executing", {"key": workflow.unique})
        if found:
            return [to_job(row, conflict=True) for row in found]
    raise StatementConflict(f"workflows with the key {workflow.unique!r} come and go")


@dataclass(slots=True)
class Plan:
    """A workflow with the sub-workflows in it, flattened: ordinals count from 1."""

    steps: list[tuple[Workflow, NewStep]] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    inner: list[tuple[Workflow, int]] = field(default_factory=list)
    guarded: set[int] = field(default_factory=set)

    def add(self, workflow: Workflow, holder: int | None = None) -> None:
        ordinals: dict[str, int] = {}
        for step in workflow.steps():
            self.steps.append((workflow, step))
            ordinal = ordinals[step.name] = len(self.steps)
            self.edges += [(ordinals[name], ordinal) for name in step.deps]
            if holder is not None and not step.deps:
                self.edges.append((holder, ordinal))
                self.guarded.add(ordinal)
            if step.workflow is not None:
                inner = step.workflow.inside(workflow)
                self.inner.append((inner, ordinal))
                self.add(inner, ordinal)

    def waits(self, ordinal: int) -> bool:
        """Whether a step does not begin as an available job."""
        step = self.steps[ordinal - 1][1]
        # without dependencies, those of an empty fan-out, nothing can have failed: it is skipped
        skipped = step.run_on == "failed"
        return bool(step.deps) or step.kind != "job" or skipped or ordinal in self.guarded


def _params(workflow: Workflow, limit: int) -> dict[str, Any]:
    plan = Plan()
    plan.add(workflow)
    steps = [step for _, step in plan.steps]
    parents, children = door.columns(plan.edges, 2)
    waits = [plan.waits(ordinal) for ordinal in range(1, len(steps) + 1)]
    return {
        **_flow_params(workflow, limit),
        **inner_columns(plan.inner, limit),
        **job_columns(
            ((job_of(flow, step), identity_of(flow, step)) for flow, step in plan.steps),
            limit=limit,
        ),
        "suspended": waits,
        "parked": [
            ordinal
            for ordinal, (step, wait) in enumerate(zip(steps, waits, strict=True), start=1)
            if wait and not step.deps and ordinal not in plan.guarded
        ],
        "workflow_ids": [flow.workflow_id for flow, _ in plan.steps],
        **step_columns(steps),
        "edge_parents": parents,
        "edge_children": children,
    }


def step_columns(steps: Sequence[NewStep]) -> dict[str, list[Any]]:
    """Return what is particular to steps as arrays for a statement."""
    return {
        "step_names": [step.name for step in steps],
        "deps": [documents.encode(list(step.deps)) for step in steps],
        "ignore_cancelled": [step.ignore_cancelled for step in steps],
        "ignore_discarded": [step.ignore_discarded for step in steps],
        "ignore_skipped": [step.ignore_skipped for step in steps],
        "run_on": [step.run_on for step in steps],
        "kinds": [step.kind for step in steps],
        "conditions": [step.condition for step in steps],
        "signals": [step.signal for step in steps],
        "wait_seconds": [step.wait_seconds for step in steps],
        "on_timeouts": [step.on_timeout for step in steps],
        "subworkflow_ids": [
            None if step.workflow is None else step.workflow.workflow_id for step in steps
        ],
        "has_callbacks": [step.job.callbacks for step in steps],
    }


def _flow_params(workflow: Workflow, limit: int) -> dict[str, Any]:
    return {
        "workflow_id": workflow.workflow_id,
        "name": workflow.name,
        "meta": "{}",
        "deadline": workflow.deadline,
        "deadline_in": workflow.deadline_in,
        "workflow_tags": list(workflow.tags),
        "context": _context(workflow, limit),
        "unique_key": workflow.unique,
        "priority": workflow.priority,
        "output": workflow.output,
        "on_finished": _reaction(workflow.on_finished, limit),
        "template": None if workflow.template is None else workflow.template.name,
        "template_version": None if workflow.template is None else workflow.template.version,
        "counted": len(workflow.step_names()) >= COUNTED,
    }


def inner_columns(inner: Sequence[tuple[Workflow, int]], limit: int) -> dict[str, list[Any]]:
    """Return sub-workflows, each with the ordinal of the step that it is, as arrays."""
    rows = [
        (
            flow.workflow_id,
            flow.name,
            holder,
            flow.deadline,
            flow.deadline_in,
            documents.encode(list(flow.tags)),
            _context(flow, limit),
            flow.output,
            _reaction(flow.on_finished, limit),
            len(flow.step_names()) >= COUNTED,
            flow.priority,
        )
        for flow, holder in inner
    ]
    names = (
        "sub_ids",
        "sub_names",
        "sub_holders",
        "sub_deadlines",
        "sub_deadlines_in",
        "sub_tags",
        "sub_contexts",
        "sub_outputs",
        "sub_on_finished",
        "sub_counted",
        "sub_priorities",
    )
    return dict(zip(names, door.columns(rows, len(names)), strict=True))


def _context(workflow: Workflow, limit: int) -> str:
    try:
        text = documents.encode(workflow.context)
    except (TypeError, ValueError) as error:
        raise InvalidWorkflow(f"the context of the workflow can't be stored: {error}") from None
    if (size := len(text.encode())) > limit:
        raise TooLarge("the context of a workflow", size, limit, "max_args_bytes")
    return text


def _reaction(job: NewJob | None, limit: int) -> str | None:
    """Write a job down as sql/routines/insert_reaction.sql reads it."""
    if job is None:
        return None
    [row] = zip(*job_columns([(job, {})], limit=limit).values(), strict=True)
    (
        queue,
        worker,
        args,
        meta,
        tags,
        priority,
        attempts,
        at,
        delay,
        timeout,
        end,
        weight,
        unique,
    ) = row
    return documents.encode(
        {
            "queue": queue,
            "worker": worker,
            "args": from_json(args),
            "meta": from_json(meta),
            "tags": from_json(tags),
            "priority": priority,
            "max_attempts": attempts,
            "scheduled_at": None if at is None else at.isoformat(),
            "delay": delay,
            "timeout": timeout,
            "deadline": None if end is None else end.isoformat(),
            "weight": weight,
            "unique": None if unique is None else from_json(unique),
        }
    )


def job_of(workflow: Workflow, step: NewStep) -> NewJob:
    """Return the job of a step, with the priority and the tags that the workflow gives to all."""
    if workflow.priority is None and not workflow.tags:
        return step.job
    priority = step.job.priority if workflow.priority is None else workflow.priority
    return replace(step.job, priority=priority, tags=(*step.job.tags, *workflow.tags))


def identity_of(workflow: Workflow, step: NewStep) -> dict[str, Any]:
    """Return what the meta of a step's job says of its workflow."""
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
    own = str(workflow.workflow_id)
    jobs = [job for job in (to_job(row) for row in rows) if job.meta.get("workflow_id") == own]
    by_name = {job.step_name: job for job in jobs}
    return [by_name[name] for name in workflow.step_names()]


def _named(error: DatabaseError, workflow: Workflow) -> Exception:
    cause = error.__cause__
    if isinstance(cause, psycopg.Error) and cause.diag.constraint_name == "workflows_pkey":
        return DuplicateWorkflow(workflow.workflow_id)
    return error
