"""DBOS: workflows on a queue, steps in code; inserted in transactions of 1,000, polled every 20 ms.

A worker process keeps its executor's name when it is started again, as DBOS needs to recover.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSClient, DBOSConfig

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

BATCH = 1_000  # jobs
CONCURRENCY = 500
POLL = 0.02  # seconds

place: Place


@DBOS.workflow(name="nothing")
async def nothing() -> None:
    place.nothing()


@DBOS.workflow(name="mark")
async def mark(number: int) -> None:
    place.mark(number)


@DBOS.workflow(name="stamp")
async def stamp(number: int, sent: float) -> None:
    place.stamp(number, sent)


@DBOS.step(name="step")
async def step() -> None:
    place.nothing()


@DBOS.workflow(name="diamond")
async def diamond() -> None:
    await step()
    await asyncio.gather(step(), step(), step())
    await step()


@DBOS.workflow(name="fan")
async def fan(width: int) -> None:
    await step()
    await asyncio.gather(*(step() for _ in range(width)))
    await step()


class Dbos(Peer):
    package = "dbos"
    tables = ("dbos.workflow_status", "dbos.operation_outputs")
    unfinished = """
      select exists (select from dbos.workflow_status where status in ('ENQUEUED', 'PENDING'))
    """
    history = """
      insert into dbos.workflow_status (
        workflow_uuid, status, name, queue_name, priority, created_at, updated_at
      )
      select gen_random_uuid()::text, 'SUCCESS', 'nothing', 'default', 0, at, at
      from (select extract(epoch from now())::bigint * 1000 as at
            from generate_series(1, %(jobs)s::bigint)) as times
    """

    def __init__(self) -> None:
        super().__init__()
        self._url = self.dsn.replace("postgresql://", "postgresql+psycopg://", 1)

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": "benchmark",
            "system_database_url": self._url,
            "application_version": "1",
            "executor_id": f"executor{os.environ.get('BENCHMARK_PLACE', '')}",
            "log_level": "ERROR",
            "sys_db_pool_size": 20,
        }
        DBOS(config=config)
        DBOS.launch()

    async def open(self, stack: AsyncExitStack) -> None:
        self._client = DBOSClient(system_database_url=self._url, system_database_pool_size=20)
        stack.callback(self._client.destroy)
        self._engine = sqlalchemy.create_engine(self._url)
        stack.callback(self._engine.dispose)

    async def prepare(self) -> None:
        def prepare() -> None:
            self._launch()
            DBOS.destroy()

        await asyncio.to_thread(prepare)

    async def bulk(self, jobs: int) -> None:
        await asyncio.to_thread(self._insert, "nothing", [()] * jobs)

    async def marks(self, jobs: int) -> None:
        await asyncio.to_thread(self._insert, "mark", [(number,) for number in range(jobs)])

    async def diamonds(self, count: int) -> None:
        await asyncio.to_thread(self._insert, "diamond", [()] * count)

    async def fan(self, width: int) -> None:
        await asyncio.to_thread(self._insert, "fan", [(width,)])

    def _insert(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        for begin in range(0, len(arguments), BATCH):
            with self._engine.begin() as connection:
                for each in arguments[begin : begin + BATCH]:
                    options: Any = {"workflow_name": name, "queue_name": "default"}
                    self._client.enqueue_in_transaction(connection, options, *each)

    def one(self) -> Awaitable[Any]:
        return self._client.enqueue_async({"workflow_name": "nothing", "queue_name": "default"})

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        options: Any = {"workflow_name": "stamp", "queue_name": "default"}
        return self._client.enqueue_async(options, number, sent)

    def work(self, mine: Callable[[], Place], queues: Sequence[str]) -> None:
        global place  # noqa: PLW0603
        place = mine()
        place.wait()
        self._launch()
        for queue in queues:
            DBOS.register_queue(queue, worker_concurrency=CONCURRENCY, polling_interval_sec=POLL)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(Dbos)
