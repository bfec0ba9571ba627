"""Is this normal? How long a step takes, beside what it is fairly compared with.

That is the same step of earlier runs of workflows of the same name. Where there are too few, as for
the steps of a fan-out, whose names are different in each run, it is what is alike: steps of the
same worker whose names begin alike, of earlier runs, or else of this one.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baton.states import State
from baton.status import Node
from baton.store.pages import Norm
from baton.wording import counted, cut, inert

SLOW = 1.2  # times p95; less is told by nobody's watch
FEW = 3  # steps, below which nothing is said
_HEAD = re.compile(r"[^:0-9]*:?")

Alike = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Usual:
    """How long something takes, in seconds, and what tells that.

    Attributes:
        p50, p95: the median, and what 95 % stay below.
        of: what was looked at, and how much of it.
        verdict: how a step compares with it; empty where nothing can be said.
    """

    p50: float
    p95: float
    of: str
    verdict: str = ""

    @property
    def is_slow(self) -> bool:
        """Whether the step takes longer than it should."""
        return self.verdict.startswith("slower")


class Norms:
    """What steps of a workflow are compared with.

    Args:
        earlier: how long steps took in earlier runs.
        nodes: the steps of this run.
    """

    def __init__(self, earlier: Sequence[Norm], nodes: Sequence[Node]) -> None:
        self._named = {norm.step_name: norm for norm in earlier if norm.step_name is not None}
        self._alike = {
            (norm.worker, norm.head): norm
            for norm in earlier
            if norm.worker is not None and norm.head is not None
        }
        self._here = _took(nodes)

    def usual(self, node: Node) -> Usual | None:
        """Return what a step is compared with, and how it compares."""
        if node.kind != "job":
            return None
        found = self._found(node)
        if found is None or node.duration is None:
            return found
        verdict = ""
        if node.duration > found.p95 * SLOW:
            verdict = "slower than 95 % of them"
        elif node.state is State.EXECUTING or node.state is State.COMPLETED:
            verdict = "as usual"
        return Usual(found.p50, found.p95, found.of, verdict)

    def _found(self, node: Node) -> Usual | None:
        named = self._named.get(node.step_name)
        if named is not None and named.steps >= FEW:
            return Usual(named.p50, named.p95, f"{counted(named.runs, 'earlier run')}")
        key = _alike(node)
        if key is None:
            return None
        pattern = cut(inert(f"{key[1]}*"), 40)
        alike = self._alike.get(key)
        if alike is not None and alike.steps >= FEW:
            runs = counted(alike.runs, "earlier run")
            of = f"{counted(alike.steps, 'step')} like {pattern} in {runs}"
            return Usual(alike.p50, alike.p95, of)
        here, own = self._here.get(key, ()), _measured(node)
        itself = None if own is None else bisect_left(here, own)
        others = len(here) - (itself is not None)
        if others < FEW:
            return None
        of = f"{others:,} others like {pattern} in this run"
        return Usual(_percentile(here, 0.5, itself), _percentile(here, 0.95, itself), of)


def _alike(node: Node) -> Alike | None:
    head = _HEAD.match(node.step_name)
    if node.worker is None or node.kind != "job" or head is None:
        return None
    return node.worker, head[0]


def _measured(node: Node) -> float | None:
    """Return how long a step took that tells what is usual."""
    return node.duration if node.state is State.COMPLETED and not node.skipped else None


def _took(nodes: Sequence[Node]) -> Mapping[Alike, Sequence[float]]:
    found: dict[Alike, list[float]] = {}
    for node in nodes:
        key, took = _alike(node), _measured(node)
        if key is not None and took is not None:
            found.setdefault(key, []).append(took)
    for each in found.values():
        each.sort()
    return found


def _percentile(values: Sequence[float], part: float, left_out: int | None) -> float:
    """Return what PostgreSQL's ``percentile_cont`` does of sorted values, one of them left out."""

    def at(place: int) -> float:
        return values[place if left_out is None or place < left_out else place + 1]

    last = len(values) - (1 if left_out is None else 2)
    place = part * last
    low = int(place)
    return at(low) + (at(min(low + 1, last)) - at(low)) * (place - low)
