"""What keeps a queue from starting a job, and which turn it has."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from baton.why import words
from baton.why.answers import Fact, Reason
from baton.why.facts import QueueFacts

COUNTED = 1_000  # jobs in front that are counted


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps a job from being started."""

    reason: Reason
    told: str
    facts: Sequence[Fact] = ()


def hold(queue: QueueFacts, now: datetime) -> Hold | None:
    """Return what keeps a queue from starting any job at all, whichever is next."""
    for check in _CHECKS:
        if (found := check(queue, now)) is not None:
            return found
    return None


def turn(queue: QueueFacts) -> Hold:
    """Say which turn a job has in a queue that starts jobs."""
    name, ahead = words.line(queue.name), queue.ahead or 0
    many = "more than 1,000 jobs" if ahead > COUNTED else words.number(ahead, "job")
    slots = f"{queue.slots - queue.free:,} of {words.number(queue.slots, 'slot')} busy"
    facts = [
        Fact("turn", f"{many} in front" if ahead else "it is next", {"ahead": ahead}),
        Fact("slots", slots, {"slots": queue.slots, "free": queue.free}),
        *_paused_nodes(queue),
    ]
    front = f"{many} {_are(ahead)} in front of it"
    if queue.free == 0:
        which = "the only slot" if queue.slots == 1 else f"all {queue.slots:,} slots"
        told = f"waits because {which} of queue {name} {_are(queue.slots)} busy"
        return Hold(Reason.BUSY, f"{told} and {front}" if ahead else told, facts)
    if ahead:
        return Hold(Reason.TURN, f"waits for its turn in queue {name}: {front}", facts)
    return Hold(Reason.TURN, f"is the next that queue {name} starts", facts)


def _paused(queue: QueueFacts, now: datetime) -> Hold | None:
    if queue.paused_at is None:
        return None
    told = f"queue {words.line(queue.name)} is paused{words.by(queue.paused_by)} "
    told += words.since(queue.paused_at, now)
    values = {"queue": queue.name, "since": queue.paused_at, "by": queue.paused_by}
    return Hold(Reason.PAUSED, f"waits because {told}", [Fact("queue", told, values)])


def _stopped(queue: QueueFacts, now: datetime) -> Hold | None:
    del now
    if not queue.stopped:
        return None
    told = f"queue {words.line(queue.name)} is stopped"
    return Hold(
        Reason.STOPPED, f"waits because {told}", [Fact("queue", told, {"queue": queue.name})]
    )


def _unserved(queue: QueueFacts, now: datetime) -> Hold | None:
    del now
    if queue.processes:
        return None
    told = f"no live worker process serves queue {words.line(queue.name)}"
    values = {"queue": queue.name, "processes": 0}
    return Hold(Reason.UNSERVED, f"waits because {told}", [Fact("processes", told, values)])


def _paused_everywhere(queue: QueueFacts, now: datetime) -> Hold | None:
    if queue.slots or not queue.paused_nodes:
        return None
    first = queue.paused_nodes[0]
    where = words.names([words.line(each.node) for each in queue.paused_nodes])
    told = (
        f"queue {words.line(queue.name)} is paused in every process that serves it, {where}"
        f"{words.by(first.by) or ','} {words.since(first.at, now)}"
    )
    return Hold(Reason.PAUSED, f"waits because {told}", [*_paused_nodes(queue)])


def _full(queue: QueueFacts, now: datetime) -> Hold | None:
    del now
    if not queue.full:
        return None
    jobs = words.names(queue.running, queue.running_count)
    execute = f"job {jobs} executes" if queue.running_count == 1 else f"jobs {jobs} execute"
    limit = words.number(queue.global_limit or 0, "job")
    told = f"queue {words.line(queue.name)} executes {limit} at once at most{_partition(queue)}"
    values = {"limit": queue.global_limit, "partition": queue.partition}
    running = {"job_ids": queue.running, "count": queue.running_count}
    return Hold(
        Reason.GLOBAL_LIMIT,
        f"waits because {told}: {execute}",
        [Fact("limit", told, values), Fact("running", execute, running)],
    )


def _rated(queue: QueueFacts, now: datetime) -> Hold | None:
    del now
    if queue.room_in is None:
        return None
    told = (
        f"queue {words.line(queue.name)} starts {queue.rate_limit:,} within "
        f"{words.span(queue.rate_period or 0)} at most{_partition(queue)}"
    )
    values = {
        "limit": queue.rate_limit,
        "period": queue.rate_period,
        "partition": queue.partition,
        "room_in": queue.room_in,
    }
    return Hold(
        Reason.RATE_LIMIT,
        f"waits because {told}: there is room in {words.span(queue.room_in)}",
        [Fact("limit", told, values)],
    )


_CHECKS: Sequence[Callable[[QueueFacts, datetime], Hold | None]] = (
    _paused,
    _stopped,
    _unserved,
    _paused_everywhere,
    _full,
    _rated,
)


def _partition(queue: QueueFacts) -> str:
    return "" if queue.partition is None else f" in partition {words.line(queue.partition)}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _paused_nodes(queue: QueueFacts) -> Iterator[Fact]:
    for each in queue.paused_nodes:
        told = f"paused{words.by(each.by)} in process {words.line(each.node)}"
        yield Fact("queue", told, {"node": each.node, "since": each.at, "by": each.by})
