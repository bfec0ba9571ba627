"""The floor: bare psycopg loops over a table, with no queue around them.

They keep what a durable queue can't do without, one row per job that is claimed by one committed
update and marked done by another, and leave out everything else: no names, no errors, no retries,
nobody notices a dead process. A drain is the fastest loop that was found: one statement marks the
batch before as done and claims the next one, behind a low-water mark, with arrays in and out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import psycopg

from benchmarks.adapters.protocol import Peer, main
from benchmarks.board import Place

AVAILABLE, EXECUTING, DONE = 0, 1, 2
BATCH = 1_000
CONNECTIONS = 20

TABLE = """
  create table floor_jobs (
    id bigint generated always as identity primary key,
    state smallint not null default 0,
    args text
  ) with (fillfactor = 90);
  create index floor_available on floor_jobs (id) where state = 0;
  create index floor_executing on floor_jobs (id) where state = 1;
"""
ONE = "insert into floor_jobs (args) values (null) returning id"
MANY = "insert into floor_jobs (args) select null from generate_series(1, %s) returning id"
STAMP = """
  with inserted as (insert into floor_jobs (args) values (%s) returning id)
  select pg_notify('floor', '') from inserted
"""
CYCLE = """
  with done as (update floor_jobs set state = 2 where id = any (%(done)s)),
  claimed as (
    update floor_jobs set state = 1 where id = any (array(
      select id from floor_jobs where state = 0 and id > %(mark)s
      order by id limit %(batch)s for update skip locked
    )) returning id, args
  )
  select array_agg(id), array_agg(args) filter (where args is not null) from claimed
"""


class Floor(Peer):
    package = "psycopg"
    tables = ("floor_jobs",)
    unfinished = """
      select exists (select from floor_jobs where state = 0)
        or exists (select from floor_jobs where state = 1)
    """
    history = "insert into floor_jobs (state) select 2 from generate_series(1, %(jobs)s)"

    async def open(self, stack: AsyncExitStack) -> None:
        self._free: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(self.dsn, autocommit=True)
            self._free.put_nowait(await stack.enter_async_context(connection))

    async def prepare(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.dsn) as connection:
            await connection.execute(TABLE)

    async def bulk(self, jobs: int) -> None:
        await self._run(MANY, [jobs])

    async def copied(self, jobs: int) -> None:
        """Insert them by COPY, which returns nothing."""
        connection = await self._free.get()
        async with connection.cursor() as cursor:
            async with cursor.copy("copy floor_jobs (state) from stdin") as copy:
                await copy.write("0\n" * jobs)
        self._free.put_nowait(connection)

    def one(self) -> Awaitable[Any]:
        return self._run(ONE)

    def stamp(self, number: int, sent: float) -> Awaitable[Any]:
        return self._run(STAMP, [f"{number} {sent!r}"])

    async def coalesced(self, jobs: int, at_once: int) -> None:
        """Insert jobs one by one, by so many at once; what waits goes in one statement."""
        waiting: list[asyncio.Future[int]] = []
        wanted = asyncio.Event()
        connection = await self._free.get()

        async def flush() -> None:
            while True:
                await wanted.wait()
                wanted.clear()
                batch = waiting[:]
                waiting.clear()
                rows = await (await connection.execute(MANY, [len(batch)])).fetchall()
                for future, (row,) in zip(batch, rows, strict=True):
                    future.set_result(row)

        async def insert(count: int) -> None:
            for _ in range(count):
                future = asyncio.get_running_loop().create_future()
                waiting.append(future)
                wanted.set()
                await future

        flushing = asyncio.create_task(flush())
        await asyncio.gather(*(insert(jobs // at_once) for _ in range(at_once)))
        flushing.cancel()
        self._free.put_nowait(connection)

    async def _run(self, query: str, params: Sequence[Any] = ()) -> Any:
        connection = await self._free.get()
        try:
            return await (await connection.execute(query.encode(), params)).fetchall()
        finally:
            self._free.put_nowait(connection)

    def work(self, place: Callable[[], Place], _queues: Sequence[str]) -> None:
        mine = place()
        mine.wait()
        with (
            psycopg.connect(self.dsn, autocommit=True) as listener,
            psycopg.connect(self.dsn, autocommit=True) as connection,
        ):
            listener.execute("listen floor")
            done: list[int] = []
            mark = 0
            while True:
                params = {"done": done, "mark": mark, "batch": BATCH}
                [(ids, args)] = connection.execute(CYCLE, params).fetchall()
                if ids is None and not done:
                    for _ in listener.notifies(timeout=1.0, stop_after=1):
                        pass
                done = ids or []
                # an insert with a smaller id may commit later
                mark = max(done) if len(done) == BATCH else 0
                begin(mine, done, args)


def begin(place: Place, ids: Sequence[int], args: Sequence[str] | None) -> None:
    if args is None:
        for _ in ids:
            place.nothing()
    else:
        for each in args:
            number, sent = each.split()
            place.stamp(int(number), float(sent))


if __name__ == "__main__":
    main(Floor)
