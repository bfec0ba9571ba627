"""How the benchmark talks to the program of a peer, which its own Python runs.

    python -m benchmarks.adapters.NAME drive    reads requests, answers each with a line
    python -m benchmarks.adapters.NAME work     is a worker process until it is told to stop

A request is a line of JSON, ``{"do": "bulk", "jobs": 1000}``; the answer says how long it took and
what came of it, ``{"seconds": 0.1, "answer": null}``. The first line that `drive` prints says what
the peer is: ``{"version": …, "can": […], "tables": […], "unfinished": "select …"}``. What it needs
is in the environment: BENCHMARK_DSN, BENCHMARK_QUEUES, BENCHMARK_BOARD and BENCHMARK_PLACE.

A peer is a subclass of `Peer`; its public coroutine methods are what it can do. Besides those of
`Peer` there are `marks(jobs)`, which inserts jobs that are counted one by one, `copied(jobs)`, a
bulk insert that returns nothing, `coalesced(jobs, at_once)`, and of workflows `diamonds(count)`,
`fan(width)` and `chain(steps)`.
"""

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.board import Place, now


class Peer:
    """A queue to be measured.

    Attributes:
        package: what it is called in the package index.
        tables: everything that a run leaves behind, emptied before each measurement.
        unfinished: a query that tells whether jobs are left, without reading those that ended.
        history: a statement that inserts `%(jobs)s` finished jobs, when that can be said in SQL.
        also: what it can do that is no method: ``many queues``.
    """

    package = ""
    tables: Sequence[str] = ()
    unfinished = ""
    history: str | None = None
    also: Sequence[str] = ()

    def __init__(self) -> None:
        self.dsn = os.environ["BENCHMARK_DSN"]

    async def open(self, stack: AsyncExitStack) -> None:
        """Connect, as a program that inserts does."""

    async def prepare(self) -> None:
        """Make the tables."""
        raise NotImplementedError

    async def bulk(self, jobs: int) -> None:
        """Insert jobs that do nothing, as many at once as it recommends."""
        raise NotImplementedError

    def one(self) -> Awaitable[Any]:
        """Insert one job that does nothing."""
        raise NotImplementedError

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        """Insert one job that writes down how late it is."""
        raise NotImplementedError

    def work(self, place: Callable[[], Place], queues: Sequence[str]) -> None:
        """Be a worker process; a queue named ``default`` is among the queues."""
        raise NotImplementedError

    async def singles(self, jobs: int, at_once: int) -> None:
        """Insert jobs one by one, each awaited, by so many at once."""

        async def insert(count: int) -> None:
            for _ in range(count):
                await self.one()

        await asyncio.gather(*(insert(jobs // at_once) for _ in range(at_once)))

    async def paced(self, jobs: int, gap: float) -> None:
        """Insert stamped jobs at their times, whether or not the one before is done."""
        began = now()
        running = set()
        for number in range(jobs):
            await asyncio.sleep(max(0.0, began + number * gap - now()))
            task = asyncio.create_task(_awaited(self.stamp, number))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    def known(self) -> str:
        try:
            return version(self.package)
        except PackageNotFoundError:
            return ""


async def _awaited(stamp: Callable[[int, float], Awaitable[Any]], number: int) -> None:
    await stamp(number, now())


def main(peer: Callable[[], Peer]) -> None:
    if sys.argv[1:] == ["drive"]:
        asyncio.run(_drive(peer()))
    else:
        peer().work(Place.mine, os.environ["BENCHMARK_QUEUES"].split(","))


async def _drive(peer: Peer) -> None:
    methods = [name for name, _ in inspect.getmembers(peer, inspect.iscoroutinefunction)]
    can = [*(name for name in methods if not name.startswith("_")), *peer.also]
    _say(
        {
            "version": peer.known(),
            "can": [*can, "history"] if peer.history else can,
            "tables": peer.tables,
            "unfinished": peer.unfinished,
            "history": peer.history,
        }
    )
    opened = False
    async with AsyncExitStack() as stack:
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            method = request.pop("do")
            if not opened and method != "prepare":
                await peer.open(stack)
                opened = True
            try:
                began = time.perf_counter()
                answer = await getattr(peer, method)(**request)
                _say({"seconds": time.perf_counter() - began, "answer": answer})
            except Exception:
                _say({"error": traceback.format_exc()})


def _say(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)
