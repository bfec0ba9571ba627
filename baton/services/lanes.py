"""Lanes: what waits of each queue for one of its slots, and how many of them are taken."""

from collections import deque
from dataclasses import dataclass, field
from time import perf_counter

from anyio import CancelScope

from baton.jobs import Job
from baton.services.stopping import Stop


@dataclass(slots=True, eq=False)
class Attempt:
    """An attempt in hand.

    Attributes:
        scope: what stops it; ``None`` while it waits.
        stopped: why it was stopped.
        started: when it began to run, by `perf_counter`.
    """

    job: Job
    scope: CancelScope | None = None
    stopped: Stop | None = None
    started: float = 0.0


@dataclass(slots=True)
class Pace:
    """How many attempts ended in some time, and how many seconds they took together."""

    ended: int = 0
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Lane:
    """One queue in this process.

    Attributes:
        slots: how many of its jobs run at once.
        running: how many of the slots are taken.
        waiting: what was claimed ahead of a free slot, in the order in which it is to run.
        called: whether a runner is on its way to it.
        moved_at: when something of it last began to run, or to wait where nothing did.
        pace: of what ended since `new_pace`.
    """

    slots: int
    running: int = 0
    waiting: deque[Attempt] = field(default_factory=deque)
    called: bool = False
    moved_at: float = 0.0
    pace: Pace = field(default_factory=Pace)

    @property
    def ready(self) -> bool:
        """Whether something waits and may run."""
        return bool(self.waiting) and self.running < self.slots

    def add(self, attempt: Attempt) -> None:
        """Let an attempt wait for its slot."""
        if not self.waiting:
            self.moved_at = perf_counter()
        self.waiting.append(attempt)

    def take(self) -> Attempt | None:
        """Give the next attempt a slot, if there is one."""
        if not self.ready:
            return None
        self.running += 1
        attempt = self.waiting.popleft()
        self.moved_at = attempt.started = perf_counter()
        return attempt

    def end(self, duration: float) -> None:
        """Give the slot of an attempt free that took so many seconds."""
        self.running -= 1
        self.pace.ended += 1
        self.pace.seconds += duration

    def new_pace(self) -> Pace:
        """Return the pace, and begin to measure it anew."""
        pace, self.pace = self.pace, Pace()
        return pace
