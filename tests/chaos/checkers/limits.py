"""What there may be only so much of: unique keys, limits, ticks."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from tests.chaos.checkers.checker import checker
from tests.chaos.history import CRASHES, History


@checker("of the jobs with one unique key at most one has not ended")
def unique_keys_are_unique(history: History) -> Iterator[str]:
    lives: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for job in history.jobs.values():
        moves = history.moves_of.get(job.id, ())
        if "group" in job.meta and moves:
            end = next((move.at for move in moves if move.ends), float("inf"))
            lives[job.meta["group"]].append((moves[0].at, end, job.id))
    for group, spans in lives.items():
        for (_, end, first), (begin, _, second) in pairwise(sorted(spans)):
            if begin < end:
                yield f"jobs {first} and {second} of {group} lived at once"


@checker("a global limit is never exceeded, nor that of a partition")
def global_limits_hold(history: History) -> Iterator[str]:
    changes: dict[tuple[str, str], list[tuple[float, int, int]]] = defaultdict(list)
    for job, moves in history.moves_of.items():
        queue = moves[0].queue
        if queue not in history.limits:
            continue
        row = history.jobs.get(job)
        part = str(row.meta.get("tenant")) if row and queue in history.partitioned else ""
        for move in moves:
            if move.claims:
                changes[queue, part].append((move.at, 1, job))
            elif move.was == "executing":
                changes[queue, part].append((move.at, -1, job))
    for (queue, part), story in changes.items():
        running = 0
        for at, change, job in sorted(story):
            running += change
            if change > 0 and running > history.limits[queue]:
                yield f"{running} jobs of {queue} {part} ran at {at:.3f}, with job {job}"


@checker("a rate limit is never exceeded, whenever its period is taken to begin")
def rate_limits_hold(history: History) -> Iterator[str]:
    for queue, (limit, period) in history.rates.items():
        claims = sorted(move.at for move in history.moves if move.claims and move.queue == queue)
        for first, beyond in zip(claims, claims[limit:], strict=False):
            if beyond - first < period - 1e-4:
                yield f"more than {limit} jobs of {queue} started within {beyond - first:.3f} s"


UNTICKED = 30.0  # seconds that a server may be up without a tick: a process that has the duty froze
BACK = 3.0  # seconds for processes to find a server that is up again


@checker("a cron entry goes on ticking as long as there is a database")
def crons_tick(history: History) -> Iterator[str]:
    if history.ticking is None:
        return
    begin, end = history.ticking
    for name in history.crons:
        ticks = sorted(
            datetime.fromisoformat(job.meta["cron_tick"]).timestamp()
            for job in history.jobs.values()
            if job.meta.get("cron_name") == name
        )
        within = [tick for tick in ticks if begin < tick < end]
        for first, second in pairwise([begin, *within, end]):
            up = _uptime(history, first, second)
            if up > UNTICKED:
                yield f"{name} did not tick for {up:.1f} s from {first:.3f} on"


def _uptime(history: History, begin: float, end: float) -> float:
    """For how many seconds of a time the server was up, and had been for a while."""
    up, at = 0.0, begin
    for fault in sorted(history.faults, key=lambda fault: fault.begun):
        if fault.kind in CRASHES and fault.ended + BACK > at and fault.begun < end:
            up += max(fault.begun - at, 0.0)
            at = fault.ended + BACK
    return up + max(end - at, 0.0)


@checker("a cron entry makes at most one job of each tick")
def cron_ticks_once(history: History) -> Iterator[str]:
    ticks = Counter(
        (job.meta["cron_name"], job.meta.get("cron_tick"))
        for job in history.jobs.values()
        if "cron_name" in job.meta
    )
    for (name, tick), count in ticks.items():
        if count > 1:
            yield f"tick {tick} of {name} came {count} times"
