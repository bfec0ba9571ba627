"""Oban for Python: `enqueue_many` in thousands, uvloop, the queue's limit raised."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from oban import Oban, worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

BATCH = 1_000  # jobs
LIMIT = 500  # jobs of a queue at once

place: Place


@worker(queue="default")
class Nothing:
    async def process(self, _job: Any) -> None:
        place.nothing()


@worker(queue="default")
class Mark:
    async def process(self, job: Any) -> None:
        place.mark(job.args["number"])


@worker(queue="default")
class Stamp:
    async def process(self, job: Any) -> None:
        place.stamp(job.args["number"], job.args["sent"])


class ObanPeer(Peer):
    package = "oban"
    tables = ("oban_jobs",)
    unfinished = """
      select exists (
        select from oban_jobs where state in ('available', 'scheduled', 'executing', 'retryable')
      )
    """
    history = """
      insert into oban_jobs (state, queue, worker, attempt, attempted_at, completed_at)
      select 'completed', 'default', 'benchmarks.adapters.oban.Nothing', 1, at, at
      from (select timezone('UTC', now()) as at from generate_series(1, %(jobs)s::bigint)) as times
    """
    also = ("many queues",)

    async def open(self, stack: AsyncExitStack) -> None:
        pool = await stack.enter_async_context(await Oban.create_pool(self.dsn, max_size=20))
        self._oban = await stack.enter_async_context(Oban(pool=pool))

    async def prepare(self) -> None:
        async with AsyncConnectionPool(self.dsn, open=False) as pool:
            await install(pool)

    async def bulk(self, jobs: int) -> None:
        for begin in range(0, jobs, BATCH):
            many = (Nothing.new() for _ in range(begin, min(begin + BATCH, jobs)))
            await self._oban.enqueue_many(many)

    async def marks(self, jobs: int) -> None:
        await self._oban.enqueue_many(Mark.new({"number": number}) for number in range(jobs))

    def one(self) -> Awaitable[Any]:
        return self._oban.enqueue(Nothing.new())

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._oban.enqueue(Stamp.new({"number": number, "sent": sent}))

    def work(self, mine: Callable[[], Place], queues: Sequence[str]) -> None:
        global place  # noqa: PLW0603
        place = mine()
        place.wait()
        uvloop.run(self._work(queues))

    async def _work(self, queues: Sequence[str]) -> None:
        async with await Oban.create_pool(self.dsn) as pool:
            async with Oban(pool=pool, queues=dict.fromkeys(queues, LIMIT)):
                await asyncio.Event().wait()


if __name__ == "__main__":
    main(ObanPeer)
