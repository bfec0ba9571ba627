"""PgQueuer over asyncpg: inserts of lists, uvloop, batches of 500 for drains.

Its finished jobs move to a log, which `history` fills. It is installed with its durability on.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgPoolDriver

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

BATCH = 10_000  # jobs of an insert
FETCH = 500  # jobs of a fetch


class PgQueuerPeer(Peer):
    package = "pgqueuer"
    tables = ("pgqueuer", "pgqueuer_log", "pgqueuer_statistics")
    unfinished = "select exists (select from pgqueuer)"
    history = """
      insert into pgqueuer_log (created, job_id, status, priority, entrypoint, aggregated)
      select now(), n, 'successful', 0, 'nothing', true from generate_series(1, %(jobs)s::bigint) n
    """

    async def open(self, stack: AsyncExitStack) -> None:
        pool = await stack.enter_async_context(asyncpg.create_pool(self.dsn, max_size=20))
        self._queries = Queries(AsyncpgPoolDriver(pool))

    async def prepare(self) -> None:
        async with asyncpg.create_pool(self.dsn) as pool:
            await Queries(AsyncpgPoolDriver(pool)).install()

    async def bulk(self, jobs: int) -> None:
        for begin in range(0, jobs, BATCH):
            count = min(BATCH, jobs - begin)
            await self._queries.enqueue(["nothing"] * count, [None] * count, [0] * count)

    async def marks(self, jobs: int) -> None:
        payloads = [str(number).encode() for number in range(jobs)]
        await self._queries.enqueue(["mark"] * jobs, payloads, [0] * jobs)

    def one(self) -> Awaitable[Any]:
        return self._queries.enqueue("nothing", None)

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._queries.enqueue("stamp", json.dumps([number, sent]).encode())

    def work(self, mine: Callable[[], Place], _queues: Sequence[str]) -> None:
        place = mine()
        place.wait()
        uvloop.run(self._work(place))

    async def _work(self, place: Place) -> None:
        async with asyncpg.create_pool(self.dsn) as pool:
            queuer = PgQueuer(AsyncpgPoolDriver(pool))

            @queuer.entrypoint("nothing")
            async def nothing(_job: Any) -> None:
                place.nothing()

            @queuer.entrypoint("mark")
            async def mark(job: Any) -> None:
                place.mark(int(job.payload))

            @queuer.entrypoint("stamp")
            async def stamp(job: Any) -> None:
                place.stamp(*json.loads(job.payload))

            await queuer.run(dequeue_timeout=timedelta(seconds=1), batch_size=FETCH)


if __name__ == "__main__":
    main(PgQueuerPeer)
