"""Steps that are added to workflows that run: how they are written down, and what is refused."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from pydantic_core import from_json

from baton import documents
from baton.errors import (
    BatonError,
    CyclicWorkflow,
    DatabaseError,
    DuplicateWorkflow,
    NotFound,
    StepBegun,
    StepTaken,
    UnknownDependency,
    WorkflowEnded,
)
from baton.jobs import Grafted
from baton.store.door import Row
from baton.store.jobs import job_columns
from baton.store.plans import Plan, identity_of, inner_columns, job_of, step_columns
from baton.workflows import Graft, NewStep, Workflow

REFUSED = "BT002"  # what refuse_graft raises
_ID = re.compile(r"[0-9a-f-]{36}")

_STEP = {
    "queues": "queue",
    "workers": "worker",
    "args": "args",
    "metas": "meta",
    "tags": "tags",
    "priorities": "priority",
    "max_attempts": "max_attempts",
    "scheduled_ats": "scheduled_at",
    "delays": "delay",
    "timeouts": "timeout",
    "deadlines": "deadline",
    "weights": "weight",
    "step_names": "name",
    "deps": "deps",
    "ignore_cancelled": "ignore_cancelled",
    "ignore_discarded": "ignore_discarded",
    "ignore_skipped": "ignore_skipped",
    "run_on": "run_on",
    "kinds": "kind",
    "conditions": "condition",
    "signals": "signal",
    "wait_seconds": "wait_seconds",
    "on_timeouts": "on_timeout",
    "subworkflow_ids": "subworkflow",
    "has_callbacks": "has_callbacks",
}
_FLOW = {
    "sub_ids": "id",
    "sub_names": "name",
    "sub_holders": "holder",
    "sub_deadlines": "deadline",
    "sub_deadlines_in": "deadline_in",
    "sub_tags": "tags",
    "sub_contexts": "context",
    "sub_outputs": "output",
    "sub_on_finished": "on_finished",
    "sub_counted": "counted",
    "sub_priorities": "priority",
    "sub_max_costs": "max_cost",
    "sub_max_tokens": "max_tokens",
    "sub_on_exceeded": "on_exceeded",
}


def written(graft: Graft, *, limit: int, parent: str | None = None) -> str:
    """Return a graft as ``sql/routines/graft_steps.sql`` reads it.

    Args:
        graft: the steps.
        limit: the largest arguments of a job in bytes of JSON.
        parent: the step that returns it, on which all of them depend.

    Raises:
        InvalidWorkflow: the graft has a circle.
        InvalidJob: a job can't be stored.
    """
    plan = _GraftPlan(parent)
    for step in graft.steps():
        plan.add_top(step)
    steps = [step for _, step in plan.steps]
    jobs = (
        (step.job, {}) if flow is plan.around else (job_of(flow, step), identity_of(flow, step))
        for flow, step in plan.steps
    )
    columns = {**job_columns(jobs, limit=limit), **step_columns(steps)}
    rows = _objects(columns, _STEP)
    for row, (flow, _), place in zip(rows, plan.steps, plan.places, strict=True):
        row.update(place)
        if flow is not plan.around:
            row["inside"] = str(flow.workflow_id)
            row["own_priority"] = flow.priority is not None
    flows = _objects(inner_columns(plan.inner, limit), _FLOW)
    for found, (inner, _) in zip(flows, plan.inner, strict=True):
        found["size"] = len(inner.step_names())
    return documents.encode(
        {
            "wait": graft.wait,
            "steps": rows,
            "edges": plan.edges,
            "needs": plan.needs,
            "flows": flows,
        }
    )


class _GraftPlan(Plan):
    """The steps of a graft, flattened; those of the workflow itself are steps of ``around``."""

    def __init__(self, parent: str | None) -> None:
        super().__init__()
        self.around = Workflow()
        self.needs: list[tuple[int, str]] = []
        self.places: list[dict[str, Any]] = []
        self._parent = parent
        self._ordinals: dict[str, int] = {}

    def add_top(self, step: NewStep) -> None:
        # its dependency on the step that returns the graft is everybody's
        deps = tuple(name for name in step.deps if name != self._parent)
        self.steps.append((self.around, replace(step, deps=deps)))
        top = self._ordinals[step.name] = len(self.steps)
        for name in deps:
            if name in self._ordinals:
                self.edges.append((self._ordinals[name], top))
            else:
                self.needs.append((top, name))
        if step.workflow is not None:
            self.inner.append((step.workflow, top))
            self.add(step.workflow, top)
        for ordinal in range(top, len(self.steps) + 1):
            self.places.append({"ordinal": ordinal, "top": top, "suspended": self.waits(ordinal)})


def _objects(
    columns: Mapping[str, Sequence[Any]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Turn columns into objects, leaving out what is null or false."""
    kept = [columns[column] for column in names]
    return [
        {
            name: _plain(value)
            for name, value in zip(names.values(), row, strict=True)
            if value is not None
        }
        for row in zip(*kept, strict=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float) else str(value)


def grafted(row: Row) -> Grafted:
    """Return what a graft came to."""
    added, kept = row
    return Grafted(tuple(added or ()), tuple(kept or ()))


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the routines refuse into errors that say so."""
    try:
        yield
    except DatabaseError as error:
        cause = error.__cause__
        if isinstance(cause, psycopg.Error):
            told = cause.diag.message_detail or ""
            if cause.sqlstate == REFUSED:
                raise _refusal(from_json(told or "{}")) from error
            if cause.diag.constraint_name == "workflows_pkey" and (found := _ID.search(told)):
                raise DuplicateWorkflow(found.group()) from error
        raise


def _refusal(facts: Mapping[str, str]) -> BatonError:
    step, more = facts["step"], facts["more"]
    match facts["problem"]:
        case "unknown":
            return UnknownDependency(step, more)
        case "circle":
            return CyclicWorkflow([step, more, step])
        case "begun":
            return StepBegun(step, more)
        case "finished":
            return WorkflowEnded(step)
        case "no step":
            return NotFound("step", repr(step))
        case "no workflow":
            return NotFound("workflow", step)
        case "workflow taken":
            return DuplicateWorkflow(step)
        case _:
            return StepTaken(step)
