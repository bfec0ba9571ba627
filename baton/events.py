"""Events: what becomes of steps and workflows, told while it happens.

Worker processes publish them with NOTIFY, as JSON arrays, on ``workflow:all`` and on
``workflow:<id>``; docs/events.md gives the payloads. Here they are values, with the decisions of
one who listens: whether an event is news, and what to keep of those that nobody has taken yet.
"""

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from baton.ambient import ambient

BUFFER = 10_000  # events
REMEMBERED = 100_000  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpdated:
    """A step changed its state.

    Attributes:
        workflow_id: the workflow.
        workflow_label: the name of the workflow, cut to 200 characters.
        step_name: the name of the step, cut to 300 characters.
        job_id: its job; tells steps apart whose long names begin alike.
        state: ``executing``, ``snoozed``, ``completed``, ``retryable``, ``discarded`` or
            ``cancelled``; when it is seeded, any state of a job.
        skipped: whether it counts as completed without having run.
        worker: the worker that performs it; ``None`` when the job was pruned.
        attempt: which attempt this is about; 0 when it never ran.
        has_result: whether it returned something.
        error: the newest error, or why it was cancelled or skipped, cut to 500 characters.
        timestamp: when it happened.
        seeded: whether this is how the step stands, and not something that just happened.
        payload: the event as it was published.
    """

    workflow_id: UUID
    workflow_label: str | None
    step_name: str
    job_id: int
    state: str
    skipped: bool
    worker: str | None
    attempt: int
    has_result: bool
    error: str | None
    timestamp: datetime
    seeded: bool
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFinished:
    """Every step of a workflow has ended; told once, and again when it was retried.

    Attributes:
        workflow_id: the workflow.
        workflow_label: the name of the workflow, cut to 200 characters.
        outcome: ``completed``, or ``failed`` when a step was discarded or cancelled.
        failed_steps: names of the first 20 of these steps, cut to 40 characters.
        failed: how many there are.
        duration: seconds from its insertion to its end.
        timestamp: when it ended.
        seeded: whether it had ended before.
        payload: the event as it was published.
    """

    workflow_id: UUID
    workflow_label: str | None
    outcome: str
    failed_steps: tuple[str, ...]
    failed: int
    duration: float
    timestamp: datetime
    seeded: bool
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Events were missed; with ``seed=True`` the present states follow.

    Attributes:
        reason: ``reconnected`` when the connection was lost, ``overflowed`` when more steps changed
            than the buffer holds before the events were taken.
        payload: the same as a mapping.
    """

    reason: str

    @property
    def payload(self) -> Mapping[str, Any]:
        return {"event": "resumed", "reason": self.reason}


Event = StepUpdated | WorkflowFinished | Resumed


class Events:
    """Subscribe to events with the default client; ``client.events`` does it with another one."""

    @staticmethod
    async def subscribe_workflow(
        workflow_id: UUID | str, *, seed: bool = False, follow: bool = False, buffer: int = BUFFER
    ) -> AsyncGenerator[Event, None]:
        """Yield what becomes of a workflow, until it is finished.

        Args:
            workflow_id: the whole id; the workflow need not be there yet.
            seed: whether to yield first how each step stands, and again after a gap.
            follow: whether to go on after the end of the workflow, which may be retried.
            buffer: how many events wait to be taken before those of the same step are put together.

        Raises:
            NotFound: that is no id of a workflow.
            CannotListen: the settings name no connection that can listen.
            DatabaseError: the database refused or is away; later it is waited for.
        """
        client = await ambient.client.looking()
        inner = client.events.subscribe_workflow(
            workflow_id, seed=seed, follow=follow, buffer=buffer
        )
        async with aclosing(inner) as events:
            async for event in events:
                yield event

    @staticmethod
    async def subscribe_all(
        *, seed: bool = False, buffer: int = BUFFER
    ) -> AsyncGenerator[Event, None]:
        """Yield what becomes of all workflows, without end.

        The end of a step may come shortly after the end of its workflow.

        Args:
            seed: whether to yield first how each step of each executing workflow stands, and again
                after a gap.
            buffer: how many events wait to be taken before those of the same step are put together.

        Raises:
            CannotListen: the settings name no connection that can listen.
            DatabaseError: the database refused or is away; later it is waited for.
        """
        client = await ambient.client.looking()
        async with aclosing(client.events.subscribe_all(seed=seed, buffer=buffer)) as events:
            async for event in events:
                yield event


def read(payload: str, schema: str) -> Iterator[StepUpdated | WorkflowFinished]:
    """Yield the events of a notification that come from a schema.

    Whoever may NOTIFY can say anything: what is no event is passed over.
    """
    try:
        found = from_json(payload)
    except (ValueError, TypeError):
        return
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict) and each.get("schema") == schema:
            try:
                yield to_event(each)
            except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
                continue


def to_event(payload: Mapping[str, Any], *, seeded: bool = False) -> StepUpdated | WorkflowFinished:
    """Return the event of a payload.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is none.
    """
    workflow_id = UUID(payload["workflow_id"])
    timestamp = datetime.fromisoformat(payload["timestamp"])
    int(payload.get("epoch") or 0)  # which `Heard` compares
    if timestamp.tzinfo is None or not isinstance(payload.get("state", ""), str):
        raise ValueError("no event")
    if payload["event"] == "workflow_finished":
        return WorkflowFinished(
            workflow_id=workflow_id,
            workflow_label=payload["workflow_label"],
            outcome=payload["outcome"],
            failed_steps=tuple(payload["failed_steps"]),
            failed=payload["failed"],
            duration=float(payload["duration"]),
            timestamp=timestamp,
            seeded=seeded,
            payload=payload,
        )
    if payload["event"] != "workflow_step_updated":
        raise ValueError(payload["event"])
    return StepUpdated(
        workflow_id=workflow_id,
        workflow_label=payload["workflow_label"],
        step_name=payload["step_name"],
        job_id=int(payload["job_id"]),
        state=payload["state"],
        skipped=payload["skipped"],
        worker=payload["worker"],
        attempt=payload["attempt"],
        has_result=payload["has_result"],
        error=payload["error"],
        timestamp=timestamp,
        seeded=seeded,
        payload=payload,
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions a look at the database has seen: those before ``upper``, but for some."""

    upper: int
    running: frozenset[int]

    @classmethod
    def of(cls, text: str) -> "Snapshot":
        """Read a ``pg_snapshot``."""
        _, upper, running = text.split(":")
        return cls(int(upper), frozenset(int(each) for each in running.split(",") if each))

    def has(self, event: StepUpdated | WorkflowFinished) -> bool:
        """Whether the look saw what the event tells, or something newer."""
        transaction = event.payload.get("transaction")
        if not isinstance(transaction, int):
            return False
        return transaction < self.upper and transaction not in self.running


class Heard:
    """Knows the newest word about each step, so that an older one that comes late is passed over.

    What ended an attempt may be published after somebody else has claimed the step again. The epoch
    grows with each claim; within one claim events are published in their order.
    """

    def __init__(self) -> None:
        self._newest: dict[int, tuple[int, str, datetime]] = {}

    def is_news(self, event: StepUpdated | WorkflowFinished) -> bool:
        """Whether an event is newer than what is known; it is known from then on."""
        if isinstance(event, WorkflowFinished):
            return True
        word = (int(event.payload.get("epoch") or 0), event.state, event.timestamp)
        known = self._newest.pop(event.job_id, None)
        is_older = known is not None and (word[0] < known[0] or word == known)
        self._newest[event.job_id] = known if known is not None and is_older else word
        if len(self._newest) > REMEMBERED:
            del self._newest[next(iter(self._newest))]
        return not is_older

    def ended(self) -> list[int]:
        """Return the jobs of the steps that are known to have ended."""
        final = {"completed", "discarded", "cancelled"}
        return [job_id for job_id, (_, state, _) in self._newest.items() if state in final]


class Buffer:
    """Events that nobody has taken yet.

    When it is full only the newest event of each step is kept; when that is not enough, nothing is
    but the word that there was more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()

    def add(self, event: Event) -> None:
        """Keep an event."""
        self._events.append(event)
        if len(self._events) > self._limit:
            newest: dict[object, Event] = {}
            for each in self._events:
                newest.pop(key := _subject(each), None)
                newest[key] = each
            # half of it must become free, or each event would go through all of them
            fits = len(newest) <= self._limit // 2
            self._events = deque(newest.values() if fits else [Resumed(reason="overflowed")])

    def peek(self) -> Event | None:
        """Return the oldest event."""
        return self._events[0] if self._events else None

    def take(self) -> Event | None:
        """Return the oldest event and forget it."""
        return self._events.popleft() if self._events else None

    def forget(self, snapshot: Snapshot) -> None:
        """Drop what a look at the database has seen."""
        self._events = deque(
            each for each in self._events if isinstance(each, Resumed) or not snapshot.has(each)
        )


def _subject(event: Event) -> object:
    match event:
        case StepUpdated():
            return event.job_id
        case WorkflowFinished():
            return event.workflow_id
        case Resumed():
            return None
