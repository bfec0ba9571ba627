"""Callbacks that workers are owed, as a worker process claims them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from baton.jobs import Job, Step
from baton.store import door
from baton.store.pools import Database
from baton.store.rows import document, texts, to_job


@dataclass(frozen=True, slots=True)
class Callback:
    """A worker that is to hear that a step of its was cancelled because of a dependency.

    Attributes:
        id: identifies the callback.
        kind: how the dependency ended.
        reason: which dependency it was.
        job: the job of the step; ``None`` when it was deleted.
    """

    id: int
    kind: Literal["cancelled", "discarded"]
    reason: str
    job: Job | None


async def claim(
    database: Database,
    *,
    lease: int,
    workers: Sequence[str],
    most: int,
    called: Sequence[int],
    in_hand: Sequence[int],
) -> list[Callback]:
    """Claim callbacks, and delete those that were called.

    Args:
        database: where.
        lease: the lease under which they are and were claimed.
        workers: whose.
        most: how many.
        called: ids of those that were called.
        in_hand: ids of those that are claimed already and wait or run.

    Raises:
        DatabaseError: the database refused or is away; some may have been claimed.
    """
    params = {
        "lease": lease,
        "workers": list(workers),
        "most": most,
        "called": list(called),
        "in_hand": list(in_hand),
    }
    return [_callback(row) for row in await database.run("callbacks_claim", params)]


async def drop(database: Database, *, workers: Sequence[str], age: float, most: int) -> list[str]:
    """Drop callbacks older than ``age`` seconds of other workers; return whose they were."""
    params = {"workers": list(workers), "age": age, "most": most}
    return [worker for (worker,) in await database.run("callbacks_drop", params)]


def _callback(row: door.Row) -> Callback:
    callback_id, kind, reason, workflow_id, name, label, deps, context, results, *columns = row
    if columns[0] is None:
        return Callback(callback_id, kind, reason, None)
    step = None
    if workflow_id is not None:
        step = Step(
            workflow_id=workflow_id,
            workflow_label=label,
            name=name,
            deps=texts(document(deps)),
            results=_mapping(results),
            gate="poisoned",
            cause=reason,
            context=_mapping(context),
        )
    return Callback(callback_id, kind, reason, replace(to_job(columns), step=step))


def _mapping(text: str | None) -> dict[str, Any]:
    return document(text) or {}
