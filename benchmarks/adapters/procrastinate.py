"""Procrastinate: `batch_defer_async`, one worker with `concurrency` raised, LISTEN on."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

BATCH = 1_000  # jobs
CONCURRENCY = 100

place: Place


class Procrastinate(Peer):
    package = "procrastinate"
    tables = ("procrastinate_jobs", "procrastinate_events")
    unfinished = """
      select exists (select from procrastinate_jobs where status = 'todo')
        or exists (select from procrastinate_jobs where status = 'doing')
    """
    history = """
      insert into procrastinate_jobs (queue_name, task_name, status, attempts)
      select 'default', 'nothing', 'succeeded', 1 from generate_series(1, %(jobs)s::bigint)
    """
    also = ("many queues",)

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("procrastinate").setLevel(logging.ERROR)
        self._app = App(connector=PsycopgConnector(conninfo=self.dsn, max_size=20))

        @self._app.task(name="nothing", queue="default")
        async def nothing() -> None:
            place.nothing()

        @self._app.task(name="mark", queue="default")
        async def mark(number: int) -> None:
            place.mark(number)

        @self._app.task(name="stamp", queue="default")
        async def stamp(number: int, sent: float) -> None:
            place.stamp(number, sent)

        self._nothing, self._mark, self._stamp = nothing, mark, stamp

    async def open(self, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(self._app.open_async())

    async def prepare(self) -> None:
        app = App(connector=PsycopgConnector(conninfo=self.dsn))
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    async def bulk(self, jobs: int) -> None:
        for begin in range(0, jobs, BATCH):
            many: list[dict[str, Any]] = [{} for _ in range(begin, min(begin + BATCH, jobs))]
            await self._nothing.batch_defer_async(*many)

    async def marks(self, jobs: int) -> None:
        await self._mark.batch_defer_async(*({"number": number} for number in range(jobs)))

    def one(self) -> Awaitable[Any]:
        return self._nothing.defer_async()

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._stamp.defer_async(number=number, sent=sent)

    def work(self, mine: Callable[[], Place], queues: Sequence[str]) -> None:
        global place  # noqa: PLW0603
        place = mine()
        place.wait()
        uvloop.run(self._work(queues))

    async def _work(self, queues: Sequence[str]) -> None:
        async with self._app.open_async():
            await self._app.run_worker_async(queues=queues, concurrency=CONCURRENCY)


if __name__ == "__main__":
    main(Procrastinate)
