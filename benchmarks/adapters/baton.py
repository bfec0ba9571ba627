"""Baton."""

import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from baton import Client, Workflow
from baton.store.migrations import migrate
from benchmarks.adapters.baton_jobs import mark, nothing, stamp
from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

BATCH = 50_000  # jobs


class Baton(Peer):
    package = "baton"
    tables = (
        "baton.jobs",
        "baton.workflows",
        "baton.workflow_steps",
        "baton.workflow_edges",
        "baton.workflow_releases",
        "baton.workflow_completions",
        "baton.workflow_waits",
        "baton.workflow_signals",
        "baton.workflow_progress",
    )
    unfinished = """
      select exists (select from baton.jobs where state = 'executing')
        or exists (select from baton.jobs where state = 'available' and partition_key is null)
        or exists (select from baton.jobs where state in ('scheduled', 'retryable'))
        or exists (select from baton.workflows where state = 'executing')
    """
    also = ("many queues", "start")
    history = """
      insert into baton.jobs (state, worker, attempt, attempted_by, epoch, inserted_at,
        scheduled_at, attempted_at, completed_at)
      select 'completed', 'benchmarks.adapters.baton_jobs.nothing', 1, 1, 1, at, at, at, at
      from (select now() - make_interval(secs => n * 0.001) as at
            from generate_series(%(jobs)s::bigint, 1, -1) as n) as times
    """

    async def open(self, stack: AsyncExitStack) -> None:
        self._client = await stack.enter_async_context(Client(self.dsn))

    async def prepare(self) -> None:
        migrate(self.dsn)

    async def bulk(self, jobs: int) -> None:
        for begin in range(0, jobs, BATCH):
            await self._client.insert_all(
                [nothing.new() for _ in range(begin, min(begin + BATCH, jobs))]
            )

    async def copied(self, jobs: int) -> None:
        """Insert them without getting anything back."""
        await self._client.insert_many(nothing.new() for _ in range(jobs))

    async def marks(self, jobs: int) -> None:
        await self._client.insert_all([mark.new(number=number) for number in range(jobs)])

    def one(self) -> Awaitable[Any]:
        return self._client.insert(nothing.new())

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._client.insert(stamp.new(number=number, sent=sent))

    async def diamonds(self, count: int) -> None:
        await self._client.insert_workflows(_diamond() for _ in range(count))

    async def fan(self, width: int) -> None:
        flow = Workflow("fan").add("root", nothing.new())
        leaves = [f"leaf{number}" for number in range(width)]
        for leaf in leaves:
            flow.add(leaf, nothing.new(), deps=["root"])
        await self._client.insert_workflow(flow.add("join", nothing.new(), deps=leaves))

    async def chain(self, steps: int) -> None:
        flow = Workflow("chain").add("0", mark.new(number=0))
        for number in range(1, steps):
            flow.add(str(number), mark.new(number=number), deps=[str(number - 1)])
        await self._client.insert_workflow(flow)

    async def layers(self, steps: int, width: int) -> str:
        """One large workflow: each step depends on three of the layer before."""
        flow = Workflow("layers")
        for number in range(steps):
            layer, place = divmod(number, width)
            deps = {f"{layer - 1}.{(place * 7 + each) % width}" for each in range(3)}
            flow.add(f"{layer}.{place}", nothing.new(), deps=deps if layer else ())
        await self._client.insert_workflow(flow)
        return str(flow.workflow_id)

    async def look(self, workflow_id: str) -> float:
        """Seconds of a look at the progress of a workflow, best of five."""
        took = []
        for _ in range(5):
            began = time.perf_counter()
            await self._client.progress(workflow_id)
            took.append(time.perf_counter() - began)
        return min(took)

    async def ahead(self, jobs: int, gap: float) -> None:
        """Schedule jobs 0.2 to 3 seconds ahead: some are found by looking, others are told."""
        for number in range(jobs):
            later = mark.with_options(schedule_in=random.uniform(0.2, 3.0))  # noqa: S311
            await self._client.insert(later.new(number=number))
            await asyncio.sleep(gap)

    def work(self, _place: Callable[[], Place], queues: Sequence[str]) -> None:
        slots = os.environ.get("BENCHMARK_SLOTS", "100")
        os.environ["BATON_DSN"] = self.dsn
        os.execv(
            sys.executable,
            [
                sys.executable,
                "-m",
                "baton",
                "worker",
                "--app=benchmarks.adapters.baton_jobs",
                *(f"--queues={queue}={slots}" for queue in queues),
                "--log-level=error",
            ],
        )


def _diamond() -> Workflow:
    flow = Workflow("diamond").add("a", nothing.new())
    for name in "bcd":
        flow.add(name, nothing.new(), deps=["a"])
    return flow.add("e", nothing.new(), deps=list("bcd"))


if __name__ == "__main__":
    main(Baton)
