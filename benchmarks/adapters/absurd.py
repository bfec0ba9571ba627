"""absurd: tasks of one step, or of several in code; many connections to insert, since each client
has one; a worker that claims 100 at once and polls every 20 ms, since nobody is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from absurd_sdk import AsyncAbsurd
from absurdctl import BUNDLED_SCHEMA_SQL
from psycopg import AsyncConnection

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

CONNECTIONS = 20
CONCURRENCY = 100
POLL = 0.02  # seconds


class Absurd(Peer):
    package = "absurd-sdk"
    tables = (
        "absurd.t_default",
        "absurd.r_default",
        "absurd.c_default",
        "absurd.e_default",
        "absurd.w_default",
    )
    unfinished = """
      select exists (
        select from absurd.t_default where state in ('pending', 'running', 'sleeping')
      )
    """

    async def open(self, stack: AsyncExitStack) -> None:
        self._free: asyncio.Queue[AsyncAbsurd] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            client = AsyncAbsurd(self.dsn)
            stack.push_async_callback(client.close)
            await client.list_queues()
            self._free.put_nowait(client)

    async def prepare(self) -> None:
        async with await AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            await connection.execute(BUNDLED_SCHEMA_SQL.encode())
        client = AsyncAbsurd(self.dsn)
        await client.create_queue("default")
        await client.close()

    async def bulk(self, jobs: int) -> None:
        await self._spread(jobs, lambda _: ("nothing", {}))

    async def marks(self, jobs: int) -> None:
        await self._spread(jobs, lambda number: ("mark", {"number": number}))

    def one(self) -> Awaitable[Any]:
        return self._spawn("nothing", {})

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._spawn("stamp", {"number": number, "sent": sent})

    async def diamonds(self, count: int) -> None:
        await self._spread(count, lambda _: ("diamond", {}))

    async def _spread(self, jobs: int, task: Callable[[int], tuple[str, Any]]) -> None:
        numbers = iter(range(jobs))

        async def insert() -> None:
            for number in numbers:
                await self._spawn(*task(number))

        await asyncio.gather(*(insert() for _ in range(CONNECTIONS)))

    async def _spawn(self, name: str, params: Any) -> None:
        client = await self._free.get()
        try:
            await client.spawn(name, params, queue="default")
        finally:
            self._free.put_nowait(client)

    def work(self, mine: Callable[[], Place], _queues: Sequence[str]) -> None:
        place = mine()
        place.wait()
        uvloop.run(self._work(place))

    async def _work(self, place: Place) -> None:
        app = AsyncAbsurd(self.dsn)

        @app.register_task("nothing")
        async def nothing(_params: Any, _context: Any) -> None:
            place.nothing()

        @app.register_task("mark")
        async def mark(params: Any, _context: Any) -> None:
            place.mark(params["number"])

        @app.register_task("stamp")
        async def stamp(params: Any, _context: Any) -> None:
            place.stamp(params["number"], params["sent"])

        async def step() -> None:
            place.nothing()

        @app.register_task("diamond")
        async def diamond(_params: Any, context: Any) -> None:
            await context.step("a", step)
            for name in "bcd":  # one connection: they take turns however they are written
                await context.step(name, step)
            await context.step("e", step)

        await app.start_worker(concurrency=CONCURRENCY, poll_interval=POLL)


if __name__ == "__main__":
    main(Absurd)
