"""How everything goes right now: the values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from baton.queues import QueueStatus
from baton.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What ended lately of one worker in one queue.

    Attributes:
        queue: the queue.
        worker: the worker.
        completed: how many jobs completed.
        failed: how many attempts failed, or were cancelled.
        median: seconds that half of those that completed took at most.
        p95: seconds that 95 of 100 took at most.
    """

    queue: str
    worker: str
    completed: int
    failed: int
    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A job that runs.

    Attributes:
        workflow: the name of its workflow, if it has one.
        step: the name of the step that it is.
        node: the process that runs it.
        seconds: for how long.
    """

    id: int
    queue: str
    worker: str
    attempt: int
    max_attempts: int
    workflow: str | None
    step: str | None
    node: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that was discarded, or failed and will be tried again.

    Attributes:
        kind: what was raised.
        message: what it says.
        at: when.
    """

    id: int
    state: State
    queue: str
    worker: str
    attempt: int
    max_attempts: int
    kind: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How everything goes right now.

    Attributes:
        now: the time by the database's clock.
        processes: worker processes that are alive.
        seconds: what "lately" means in ``rates``.
        queues: how the queues stand.
        rates: what ended lately; too little where more than a sample of 10,000 jobs ended.
        running: those that have run for longest.
        failures: the newest.
    """

    now: datetime
    processes: int
    seconds: float
    queues: Sequence[QueueStatus]
    rates: Sequence[Rate]
    running: Sequence[Running]
    failures: Sequence[Failure]

    def ended(self, queue: str) -> tuple[int, int]:
        """Return how many jobs of a queue completed and failed lately."""
        rates = [each for each in self.rates if each.queue == queue]
        return sum(each.completed for each in rates), sum(each.failed for each in rates)

    def slowest(self, most: int) -> list[Rate]:
        """Return the workers whose jobs took longest."""
        done = [each for each in self.rates if each.completed]
        return sorted(done, key=lambda each: each.p95, reverse=True)[:most]
