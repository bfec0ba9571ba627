"""Jobs as the table would have them, made and ended without a database."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json

from baton.jobs import Job, NewJob
from baton.outcomes import Ack
from baton.states import State
from baton.store.jobs import job_columns

_WAITS = frozenset({State.SCHEDULED, State.RETRYABLE})
_ENDED_AT = {
    State.COMPLETED: "completed_at",
    State.DISCARDED: "discarded_at",
    State.CANCELLED: "cancelled_at",
}


def made(
    new: NewJob,
    job_id: int,
    now: datetime,
    *,
    limit: int,
    identity: Mapping[str, Any] | None = None,
) -> Job:
    """Return what an insert would have returned: arguments and meta have been JSON in between.

    Args:
        new: what is inserted.
        job_id: its id.
        now: the time of the insert.
        limit: bytes that arguments and meta may take as JSON.
        identity: what Baton adds to the meta of a step.

    Raises:
        InvalidJob: it can't be stored.
    """
    columns = job_columns([(new, identity or {})], limit=limit)
    due = _due(new, now)
    return Job(
        id=job_id,
        state=State.SCHEDULED if due > now else State.AVAILABLE,
        queue=new.queue,
        worker=new.worker,
        args=from_json(columns["args"][0]),
        meta=from_json(columns["metas"][0]),
        tags=tuple(new.tags),
        priority=new.priority,
        attempt=0,
        max_attempts=new.max_attempts,
        errors=[],
        epoch=0,
        inserted_at=now,
        scheduled_at=due,
        timeout=new.timeout,
        deadline=new.deadline,
        weight=new.weight,
    )


def _due(new: NewJob, now: datetime) -> datetime:
    if new.schedule_in is not None:
        return now + timedelta(seconds=new.schedule_in)
    return new.scheduled_at or now


def started(job: Job, now: datetime) -> Job:
    """Return the job as a worker gets it: what the fetch does to its row."""
    return replace(
        job,
        state=State.EXECUTING,
        attempt=job.attempt + 1,
        attempted_at=now,
        epoch=job.epoch + 1,
    )


def ended(job: Job, ack: Ack, now: datetime) -> Job:
    """Return an executing job after its acknowledgement: what ``finish_jobs.sql`` does to its row.

    The step is kept, since it has the results that the job was performed with.
    """
    changes: dict[str, Any] = {"state": ack.state}
    if ack.state in _WAITS:
        changes["scheduled_at"] = now + timedelta(seconds=ack.delay)
    if ack.state in _ENDED_AT:
        changes[_ENDED_AT[ack.state]] = now
    if ack.error is not None:
        changes["errors"] = [*job.errors, _error(job, now, from_json(ack.error))]
    if ack.refund:
        changes["attempt"] = max(job.attempt - 1, 0)
        if ack.state in {State.SCHEDULED, State.SUSPENDED} and ack.note is None:
            changes["meta"] = {**job.meta, "snoozed": _count(job.meta.get("snoozed")) + 1}
    return replace(job, **changes)


def cancelled(job: Job, cause: str, now: datetime) -> Job:
    """Return a waiting step that the end of a dependency has cancelled."""
    error = _error(job, now, {"kind": "cancelled", "message": cause})
    return replace(job, state=State.CANCELLED, cancelled_at=now, errors=[*job.errors, error])


def completed(job: Job, now: datetime) -> Job:
    """Return a step that counts as completed without a worker."""
    return replace(job, state=State.COMPLETED, completed_at=now)


def failed(job: Job, state: State, cause: str, now: datetime) -> Job:
    """Return a step that waited in vain: for a signal, or for the workflow that it is."""
    if state is State.COMPLETED:
        return completed(job, now)
    error = _error(job, now, {"kind": "wait", "message": cause})
    changes: dict[str, Any] = {"state": state, _ENDED_AT[state]: now}
    return replace(job, errors=[*job.errors, error], **changes)


def _error(job: Job, now: datetime, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"attempt": job.attempt, "at": now.isoformat(), **facts}


def _count(snoozed: Any) -> int:
    return snoozed if type(snoozed) is int else 0
