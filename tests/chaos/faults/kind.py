"""What a kind of fault is, what it acts on, and how faults follow each other."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from tests.chaos import disk, network
from tests.chaos.fleet import Fleet, Worker
from tests.chaos.journal import Journal
from tests.chaos.proxy import Link
from tests.chaos.server import Servers

Lane = Literal["processes", "links", "server"]
LANES: tuple[Lane, ...] = ("processes", "links", "server")


@dataclass
class Arena:
    """What faults act on."""

    servers: Servers
    fleet: Fleet
    feeder: Link
    journal: Journal
    namespaces: dict[int, network.Namespace] = field(default_factory=dict)
    small_disk: disk.SmallDisk | None = None

    def links(self) -> list[Link]:
        return [w.link for w in self.fleet.workers if w.link is not None] + [self.feeder]


Act = Callable[[Arena, Random], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its name, its lane, what it does, and why it can't be here."""

    name: str
    lane: Lane
    act: Act
    missing: Callable[[], str | None]

    @property
    def needs_root(self) -> bool:
        return self.missing is not nothing


def nothing() -> str | None:
    return None


KINDS: dict[str, Kind] = {}


def fault(lane: Lane, missing: Callable[[], str | None] = nothing) -> Callable[[Act], Act]:
    """Add a kind of fault, by the name of the function."""

    def add(act: Act) -> Act:
        KINDS[act.__name__] = Kind(act.__name__, lane, act, missing)
        return act

    return add


async def run_lane(
    arena: Arena,
    lane: Lane,
    kinds: Sequence[Kind],
    *,
    seed: int,
    until: float,
    pause: float,
    turn: AbstractAsyncContextManager[Any],
) -> None:
    """Let faults of a lane happen until a time; each kind comes equally often.

    Args:
        arena: what they act on.
        lane: which.
        kinds: all that are wanted; those of other lanes are passed over.
        seed: of the faults.
        until: when to end, in seconds since 1970.
        pause: seconds between two of them, in the mean.
        turn: entered around each.
    """
    mine = [kind for kind in kinds if kind.lane == lane]
    draw = Random(f"{seed}:{lane}")
    deck: list[Kind] = []
    while mine:
        rest = draw.uniform(0.5, 1.5) * pause
        if time.time() + rest > until:
            return
        await asyncio.sleep(rest)
        if not deck:
            deck = draw.sample(mine, len(mine))
        kind = deck.pop()
        # each has a seed of its own, so that how one goes changes nothing of the next
        own = Random(draw.getrandbits(64))
        async with turn:
            begun = time.time()
            facts = await kind.act(arena, own)
        if facts is not None:
            arena.journal.write(
                "fault", fault=kind.name, begun=begun, ended=time.time(), facts=dict(facts)
            )


async def pick(arena: Arena, draw: Random, *, namespaced: bool | None = False) -> Worker | None:
    """Take a worker that no other fault has in hand; ``None`` if there is none for a while."""
    order = draw.sample(list(arena.fleet.workers), len(arena.fleet.workers))
    for _ in range(50):
        for worker in order:
            fits = namespaced is None or (worker.namespace is not None) == namespaced
            if fits and not worker.busy and worker.is_ready():
                worker.busy = True
                return worker
        await asyncio.sleep(0.1)
    return None
