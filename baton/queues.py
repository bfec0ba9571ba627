"""What can be said about queues, and what it comes to: values and decisions, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal

from baton.documents import QUEUE_BYTES, check_text
from baton.errors import InvalidQueue
from baton.jobs import seconds

SLOTS_LIMIT = 10_000  # jobs of one queue at once in a process
COUNT_LIMIT = 2**31 - 1
SHORTEST, LONGEST = 0.001, 1e9  # seconds of rate_period and ageing


class Keep(Enum):
    """What a limit that is not mentioned becomes: what it was."""

    KEEP = "keep"


KEEP: Literal[Keep.KEEP] = Keep.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """A queue as it stands.

    Attributes:
        name: the queue.
        counts: how many jobs are available, scheduled, retryable and executing.
        cut: states of which there are more jobs than were counted.
        processes: how many live processes serve it.
        slots: how many of its jobs they run at once, all together.
        scaled_to: how many each of them was told to run at once; 0 when it is stopped; ``None``
            when each runs as many as it was started with.
        paused_at, paused_by: since when, and by whom, it is paused in all processes.
        paused_nodes: names of the processes in which it is paused alone.
        global_limit: how many of its jobs run at once in all processes, in each partition.
        rate_limit: how much weight starts within ``rate_period`` seconds, in each partition.
        partition_by: what divides its jobs: ``worker``, ``args.<name>`` or ``meta.<name>``.
        ageing: seconds of waiting that count for one step of priority.
    """

    name: str
    counts: Mapping[str, int] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    processes: int = 0
    slots: int = 0
    scaled_to: int | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_nodes: tuple[str, ...] = ()
    global_limit: int | None = None
    rate_limit: int | None = None
    rate_period: float | None = None
    partition_by: str | None = None
    ageing: float | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it is paused in all processes."""
        return self.paused_at is not None

    def counted(self, state: str) -> str:
        """Say how many jobs are in a state: ``52``, or ``100,000+`` where there are more."""
        return f"{self.counts.get(state, 0):,}{'+' if state in self.cut else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """A worker process that holds a lease.

    Attributes:
        lease: its lease, which ``attempted_by`` of jobs names.
        node: the name of the process.
        queues: how many jobs of each queue it runs at once.
        started_at: since when it lives.
        renewed_at: when it was heard of last.
        alive: whether its lease holds.
        executing: how many jobs it runs.
    """

    lease: int
    node: str
    queues: Mapping[str, Any]
    started_at: datetime
    renewed_at: datetime
    alive: bool
    executing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueProcess:
    """A process that serves a queue.

    Attributes:
        node: the name of the process.
        lease: its lease, which ``attempted_by`` of jobs names.
        slots: how many jobs of the queue it runs at once; 0 when it only finishes some.
        paused: whether it starts nothing of the queue at present.
        running: ids of the jobs of the queue that it runs.
        started_at: since when it lives.
    """

    node: str
    lease: int
    slots: int
    paused: bool
    running: tuple[int, ...]
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """How many jobs of a queue were said to run at once, as the two tables have it.

    Attributes:
        slots: in every process that serves the queue.
        start_slots: in every process that was not started with it.
        node_slots, node_start_slots: the same for the processes of one name, where it wins.
        limited: whether only so many of its jobs run at once in all processes.
        paused: whether nothing of it starts in the processes of one name.
    """

    slots: int | None = None
    start_slots: int | None = None
    node_slots: int | None = None
    node_start_slots: int | None = None
    limited: bool = False
    paused: bool = False


def served(own: Mapping[str, int], said: Mapping[str, Said]) -> dict[str, int]:
    """Return the queues that a process serves, and how many jobs of each it runs at once.

    Args:
        own: what it was started with.
        said: what was said since, by queue.
    """
    slots = {name: _slots(own.get(name), said.get(name, Said())) for name in {*own, *said}}
    return {name: number for name, number in sorted(slots.items()) if number is not None}


def _slots(own: int | None, said: Said) -> int | None:
    if said.node_slots is not None:
        return said.node_slots
    for known in (own, said.node_start_slots, said.start_slots):
        if known is not None:
            return known if said.slots is None else said.slots
    return None


def check_name(text: str, what: str = "the queue") -> str:
    """Return the name of a queue or a process.

    Raises:
        InvalidQueue: it can't be one.
    """
    try:
        return check_text(text, what, most=QUEUE_BYTES)
    except ValueError as error:
        raise InvalidQueue(str(error)) from None


def check_node(node: str | None) -> str | None:
    """Return the name of a process, if there is one.

    Raises:
        InvalidQueue: it can't be one.
    """
    return None if node is None else check_name(node, "the node")


def check_slots(slots: int) -> int:
    """Return how many jobs run at once.

    Raises:
        InvalidQueue: nothing can run so many.
    """
    if type(slots) is not int or not 0 < slots <= SLOTS_LIMIT:
        raise InvalidQueue(
            f"slots must be from 1 to {SLOTS_LIMIT:,}, not {slots!r}; stop ends a queue"
        )
    return slots


def limit_changes(
    *,
    global_limit: int | Keep | None = KEEP,
    rate_limit: int | Keep | None = KEEP,
    rate_period: float | timedelta | Keep | None = KEEP,
    partition_by: str | Keep | None = KEEP,
    ageing: float | timedelta | Keep | None = KEEP,
) -> dict[str, Any]:
    """Return the columns of the table ``queues`` that change, with their new values.

    Raises:
        InvalidQueue: a limit can't be kept to, or nothing changes.
    """
    if rate_limit is None and rate_period is KEEP:
        rate_period = None
    if (rate_limit is KEEP, rate_limit is None) != (rate_period is KEEP, rate_period is None):
        raise InvalidQueue("rate_limit and rate_period are given together, or cleared together")
    given = {
        "global_limit": _count("global_limit", global_limit),
        "rate_limit": _count("rate_limit", rate_limit),
        "rate_period": _duration("rate_period", rate_period),
        "partition_by": _partition(partition_by),
        "ageing": _duration("ageing", ageing),
    }
    changes = {name: value for name, value in given.items() if value is not KEEP}
    if not changes:
        raise InvalidQueue("no limit is given; None clears one")
    return changes


def _count(what: str, number: int | Keep | None) -> int | Keep | None:
    if number is None or isinstance(number, Keep):
        return number
    if type(number) is not int or not 0 < number <= COUNT_LIMIT:
        raise InvalidQueue(f"{what} must be a whole number above 0, not {number!r}")
    return number


def _duration(what: str, time: float | timedelta | Keep | None) -> float | Keep | None:
    if time is None or isinstance(time, Keep):
        return time
    try:
        number = seconds(time)
    except (TypeError, ValueError):
        number = 0.0
    if isinstance(time, bool) or not SHORTEST <= number <= LONGEST:
        raise InvalidQueue(
            f"{what} must be from {SHORTEST} to {LONGEST:,.0f} seconds, not {time!r}"
        )
    return number


def _partition(by: str | Keep | None) -> str | Keep | None:
    if by is None or isinstance(by, Keep):
        return by
    kind, _, name = check_name(by, "partition_by").partition(".")
    if by != "worker" and (kind not in {"args", "meta"} or not name):
        raise InvalidQueue(f"partition_by must be worker, args.<name> or meta.<name>, not {by!r}")
    return by
