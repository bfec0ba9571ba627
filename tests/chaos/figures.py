"""The figures of a run, computed from its history."""

import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.history import CRASHES, FINAL, Fault, History

# what takes the server, or several processes in a row, away from the others
GRAVE = CRASHES | {"held", "kill", "freeze", "sigterm", "half_open", "late", "unplug", "vanish"}
UNLIMITED = frozenset({"default", "slow"})
WINDOW = 10.0  # seconds of throughput before and after a fault
# Half of the times beyond these, and it is not the machine: what should have noticed did not, and
# the net below it has, which comes every 30 s, or every 10 minutes.
SLOWEST = {"first_ack_s": 10.0, "rerun_orphan_s": 12.0, "partition_noticed_s": 20.0}
FEWEST = 3  # times that say something
LEAST = 0.2  # of the throughput before faults; a process that starts anew takes the CPU of others
ENOUGH = 5  # faults that say something of it


def figures(history: History, exits: Sequence[float]) -> dict[str, Any]:
    """Return what there is to print.

    Args:
        history: of the run.
        exits: seconds that processes took to end on SIGTERM.
    """
    claims = [move for move in history.moves if move.claims]
    terms = [float(f.facts["seconds"]) for f in history.faults if f.kind == "sigterm"]
    return {
        "faults": dict(sorted(Counter(fault.kind for fault in history.faults).items())),
        "jobs": len(history.jobs),
        "nodes": len(history.steps),
        "workflows": len(history.flows),
        "claims": len(claims),
        "lost_replies": sum(int(f.facts.get("lost", 0)) for f in history.faults),
        "refused_inserts": sum(not insert.acknowledged for insert in history.inserts),
        "first_ack_s": spread(first_acks(history)),
        "rerun_orphan_s": spread(reruns(history)),
        "partition_noticed_s": spread(partitions(history)),
        "throughput_after_to_before": recovery(history),
        "sigterm_exit_s": spread([*terms, *exits]),
    }


def regressions(found: Mapping[str, Any]) -> list[str]:
    """Return what is so far from its target that no busy machine explains it, a sentence each."""
    late = [
        f"{name}: half of {facts['n']:g} took {facts['p50']:g} s or more, the most is {bound:g}"
        for name, bound in SLOWEST.items()
        if (facts := found.get(name)) and facts["n"] >= FEWEST and facts["p50"] > bound
    ]
    share = found.get("throughput_after_to_before")
    if share and share["n"] >= ENOUGH and share["ratio"] < LEAST:
        late.append(
            f"throughput_after_to_before: {share['ratio']:g} after {share['n']:g} faults, and "
            f"{LEAST:g} is the least"
        )
    return late


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """The number of values, their median, 99th percentile and maximum."""
    if not values:
        return None
    ordered = sorted(values)
    facts = {
        "n": float(len(ordered)),
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "max": ordered[-1],
    }
    return {name: round(value, 3) for name, value in facts.items()}


def _ends(history: History) -> list[float]:
    return sorted(m.at for m in history.moves if m.was == "executing" and m.became in FINAL)


def first_acks(history: History) -> list[float]:
    """Seconds from the database's first answer to the first acknowledgement after it."""
    ends = _ends(history)
    backs = [
        float(fault.facts["back"])
        for fault in history.faults
        if "back" in fault.facts and not _disturbed(history, fault, fault.begun - 3)
    ]
    places = [(back, bisect_left(ends, back)) for back in backs]
    return [ends[place] - back for back, place in places if place < len(ends)]


def reruns(history: History) -> list[float]:
    """Seconds from a kill to the next claim of each job that the process had claimed."""
    return [
        seconds
        for fault in history.faults
        if fault.kind == "kill"
        for seconds in _taken_over(history, fault, float(fault.facts["killed"]))
    ]


def partitions(history: History) -> list[float]:
    """Seconds from the beginning of a partition until another process had the jobs behind it."""
    return [
        seconds
        for fault in history.faults
        if fault.kind in {"half_open", "unplug", "vanish"} and float(fault.facts["seconds"]) > 4
        for seconds in _taken_over(history, fault, float(fault.facts["from"]))
    ]


def _taken_over(history: History, fault: Fault, at: float) -> Iterator[float]:
    """Seconds until each job that a process had in hand became free for others."""
    leases = {r.lease for r in history.files if r.pid == fault.facts["pid"] and r.lease}
    for lease in leases:
        for claim, later in history.claims_under.get(lease, ()):
            if claim.at > at or not later or later[0].at < at:
                continue
            if later[0].became not in {"available", "discarded"}:
                continue
            again = later[1] if len(later) > 1 and later[1].claims else later[0]
            if not _disturbed(history, fault, at, again.at) and again.queue in UNLIMITED:
                yield again.at - at


def _disturbed(history: History, fault: Fault, begin: float, end: float | None = None) -> bool:
    """Whether another fault took the server, or processes, away meanwhile."""
    return any(
        other.kind in GRAVE and other.begun <= (end or fault.ended) and other.ended + 3 >= begin
        for other in history.faults
        if other is not fault
    )


def recovery(history: History) -> dict[str, float] | None:
    """Attempts that ended in the seconds after faults, in proportion to those before them.

    All faults together, because work comes in lumps: one large workflow fills a window.
    """
    ends = _ends(history)
    faults = [f for f in history.faults if ends and f.ended + WINDOW < ends[-1]]
    before = sum(_count(ends, fault.begun - WINDOW, fault.begun) for fault in faults)
    after = sum(_count(ends, fault.ended, fault.ended + WINDOW) for fault in faults)
    return {"n": float(len(faults)), "ratio": round(after / before, 3)} if before else None


def _count(times: Sequence[float], begin: float, end: float) -> int:
    return bisect_left(times, end) - bisect_left(times, begin)
