"""Reading what was used of language models. Nothing here locks or writes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from baton.errors import InvalidFilter, NotFound
from baton.filters import LARGEST_ID
from baton.llm.capture import LogEntry
from baton.llm.figures import (
    DayFigures,
    Figures,
    ModelFigures,
    StepFigures,
    WorkerFigures,
    WorkflowFigures,
)
from baton.store import looking
from baton.store.asking import Asking, Statement
from baton.store.door import Row

F = TypeVar("F", bound=Figures)

_SUMS = (
    "attempts",
    "calls",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
    "failed_cost",
    "unpriced_calls",
    "duration",
)
_FLOAT, _EXACT = {"duration"}, {"cost", "failed_cost"}
Period = tuple[datetime | None, datetime | None]


def workflow_totals(given: UUID | str) -> Asking[Figures]:
    """Return what a workflow and its sub-workflows used.

    Raises:
        NotFound: there is no such workflow.
    """
    found = yield from looking.workflow_id(given)
    rows = yield Statement("llm_workflow", {"id": found})
    return _figures(Figures, (), rows)[0]


def steps(given: UUID | str) -> Asking[list[StepFigures]]:
    """Return what each step of a workflow used.

    Raises:
        NotFound: there is no such workflow.
    """
    found = yield from looking.workflow_id(given)
    rows = yield Statement("llm_steps", {"id": found})
    return _figures(StepFigures, ("step_name", "workers", "models"), rows)


def models(period: Period) -> Asking[list[ModelFigures]]:
    """Return what each model was used for within a time."""
    rows = yield Statement("llm_models", _bounds(period))
    return _figures(ModelFigures, ("model", "provider"), rows)


def workflows(period: Period, limit: int) -> Asking[list[WorkflowFigures]]:
    """Return what the dearest workflows used within a time."""
    rows = yield Statement("llm_workflows", {**_bounds(period), "limit": limit})
    return _figures(WorkflowFigures, ("workflow_id", "name"), rows)


def workers(period: Period) -> Asking[list[WorkerFigures]]:
    """Return what each worker used within a time."""
    rows = yield Statement("llm_workers", _bounds(period))
    return _figures(WorkerFigures, ("worker",), rows)


def days(period: Period, timezone: str) -> Asking[list[DayFigures]]:
    """Return what was used on each day within a time."""
    rows = yield Statement("llm_days", {**_bounds(period), "timezone": timezone})
    return _figures(DayFigures, ("day",), rows)


def captures(subject: UUID | str | int, step: str | None, limit: int) -> Asking[list[LogEntry]]:
    """Return the newest entries of a job, or of a step of a workflow.

    Raises:
        NotFound: there is no such workflow or step.
        InvalidFilter: a workflow is named without a step.
    """
    job_id = subject
    if not isinstance(subject, int):
        if step is None:
            raise InvalidFilter("what was captured is asked for by step: name one of the workflow")
        found = yield from looking.workflow_id(subject)
        named = yield Statement("why_step", {"id": found, "name": step})
        if not named:
            raise NotFound(f"step {step!r} in workflow", found)
        job_id = named[0][0]
    elif not 0 < subject <= LARGEST_ID:
        raise NotFound("job", subject)
    rows = yield Statement("llm_log", {"id": job_id, "limit": limit})
    if not rows and not (yield Statement("job_get", {"id": job_id})):
        raise NotFound("job", job_id)
    names = LogEntry.__dataclass_fields__
    return [LogEntry(**dict(zip(names, row, strict=True))) for row in rows]


def _bounds(period: Period) -> dict[str, Any]:
    since, until = period
    return {"since": since, "until": until}


def _figures(kind: type[F], names: Sequence[str], rows: Sequence[Row]) -> list[F]:
    columns = (*names, *_SUMS)
    return [
        kind(**{name: _read(name, each) for name, each in zip(columns, row, strict=True)})
        for row in rows
    ]


def _read(name: str, value: Any) -> Any:
    """Return a column as it is shown: sums of integers are numeric on the server, like costs."""
    if value is None or name in _EXACT or name not in _SUMS:
        return value
    return float(value) if name in _FLOAT else int(value)
