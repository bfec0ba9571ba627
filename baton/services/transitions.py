"""Telemetry of steps and workflows: what this process knows of them, told once it is certain.

An acknowledgement is told when the database has accepted it. What no attempt of this process stands
for, such as cascades, skipped steps, the ends of workflows and what a sweep finds, comes as the
events that are published too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from baton.jobs import Job
from baton.outcomes import Ack
from baton.states import State
from baton.store.cycles import Cycle
from baton.store.rows import document
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.transitions")

_TOLD = {
    State.COMPLETED: "completed",
    State.RETRYABLE: "retryable",
    State.DISCARDED: "discarded",
    State.CANCELLED: "cancelled",
    State.SCHEDULED: "snoozed",
    State.SUSPENDED: "snoozed",
}


def queue_time(job: Job) -> float:
    """Return how long a job could have run and did not; both times are the database's."""
    if job.attempted_at is None:
        return 0.0
    return max(0.0, (job.attempted_at - job.scheduled_at).total_seconds())


def tell_start(job: Job) -> None:
    """Tell that an attempt of a step begins; one before its gate has opened is only put off."""
    if job.step is not None and job.step.gate == "open" and Telemetry.wants("baton.step.executing"):
        Telemetry.execute(
            "baton.step.executing", {"queue_time": queue_time(job)}, _metadata(job, "executing")
        )


def tell_held(job: Job, reason: str) -> None:
    """Tell that a budget put an attempt of a step off; the database has accepted that."""
    if job.step is not None and Telemetry.wants("baton.step.snoozed"):
        Telemetry.execute(
            "baton.step.snoozed",
            {"duration": 0.0, "queue_time": queue_time(job)},
            _metadata(job, "snoozed", error=reason),
        )


def tell_cycle(attempts: Sequence[tuple[Job, Ack]], cycle: Cycle) -> None:
    """Tell what a cycle has made of attempts, and of other steps and of workflows."""
    for job, ack in attempts:
        if ack.step and ack.id in cycle.accepted:
            _tell_ack(job, ack)
    if cycle.notices:
        tell(cycle.notices, {job.id: (job, ack) for job, ack in attempts if ack.completed})


def tell(
    notices: Iterable[Mapping[str, Any]], attempts: Mapping[int, tuple[Job, Ack]] | None = None
) -> None:
    """Tell events of the database.

    Args:
        notices: their payloads.
        attempts: those of this process that may stand for one, by job.
    """
    for notice in notices:
        try:
            if notice["event"] == "workflow_finished":
                _tell_end(notice)
            else:
                _tell_notice(notice, (attempts or {}).get(notice["job_id"]))
        except (KeyError, TypeError, ValueError):  # made of a row that somebody has edited
            log.warning("event.unreadable", event_told=str(notice)[:500])


def tell_texts(notices: Iterable[str]) -> None:
    """Do what `tell` does, with events as they come from the database."""
    tell(document(notice) for notice in notices)


def _tell_ack(job: Job, ack: Ack) -> None:
    state = _TOLD.get(ack.state)  # what was given back is nothing that happened to the step
    if state is None or not Telemetry.wants(f"baton.step.{state}"):
        return
    note = document(ack.note) or {}
    error = (document(ack.error) or {}).get("message") or note.get("cause")
    metadata = _metadata(job, state, error=error, skipped=bool(note.get("skipped")))
    Telemetry.execute(f"baton.step.{state}", _measured(job, ack), metadata)


def _tell_notice(notice: Mapping[str, Any], attempt: tuple[Job, Ack] | None) -> None:
    event = f"baton.step.{notice['state']}"
    if not Telemetry.wants(event):
        return
    measurements = {"duration": 0.0, "queue_time": 0.0} if attempt is None else _measured(*attempt)
    metadata = {
        "job": None if attempt is None else attempt[0],
        "job_id": notice["job_id"],
        "workflow_id": UUID(notice["workflow_id"]),
        "workflow_label": notice["workflow_label"],
        "step_name": notice["step_name"],
        "state": notice["state"],
        "worker": notice["worker"],
        "attempt": notice["attempt"],
        "skipped": notice["skipped"],
        "error": notice["error"],
    }
    Telemetry.execute(event, measurements, metadata)


def _tell_end(notice: Mapping[str, Any]) -> None:
    measurements = {"duration": float(notice["duration"])}
    metadata = {
        "workflow_id": UUID(notice["workflow_id"]),
        "workflow_label": notice["workflow_label"],
        "outcome": notice["outcome"],
        "failed_steps": tuple(notice["failed_steps"]),
        "failed": notice["failed"],
    }
    Telemetry.execute("baton.workflow.finished", measurements, metadata)
    if notice["outcome"] == "failed":
        Telemetry.execute("baton.workflow.failed", measurements, metadata)


def _measured(job: Job, ack: Ack) -> dict[str, float]:
    return {"duration": ack.duration, "queue_time": queue_time(job)}


def _metadata(
    job: Job, state: str, *, error: str | None = None, skipped: bool = False
) -> dict[str, Any]:
    step = job.step
    return {
        "job": job,
        "job_id": job.id,
        "workflow_id": None if step is None else step.workflow_id,
        "workflow_label": None if step is None else step.workflow_label,
        "step_name": None if step is None else step.name,
        "state": state,
        "worker": job.worker,
        "attempt": job.attempt,
        "skipped": skipped,
        "error": error,
    }
