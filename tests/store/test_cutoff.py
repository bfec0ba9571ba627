"""The end of all waiting for a database."""

import asyncio

import anyio
import pytest

from baton.errors import DatabaseUnavailable
from baton.store import door
from baton.store.cutoff import Cutoff
from baton.store.pools import Database
from baton.store.queues import listed
from tests.support import connection, waiters

pytestmark = pytest.mark.anyio

HOUR = 3_600.0


async def test_a_statement_that_hangs_is_not_waited_for(database: str) -> None:
    cutoff = Cutoff()
    failed: list[DatabaseUnavailable] = []

    async def hang() -> None:
        try:
            await pool.run(*listed())
        except DatabaseUnavailable as error:
            failed.append(error)

    async with connection(database) as holder, connection(database) as looking:
        with cutoff.applied():
            pool = Database(database, "baton", timeout=HOUR)
            async with pool, anyio.create_task_group() as tasks, holder.transaction():
                await holder.execute("lock table baton.queues")
                tasks.start_soon(hang)
                while await waiters(looking) == 0:
                    await anyio.lowlevel.checkpoint()
                cutoff.cut()
                with anyio.fail_after(60):
                    while not failed:
                        await anyio.lowlevel.checkpoint()
    assert failed[0].maybe_done


async def test_a_server_that_never_answers_is_not_waited_for() -> None:
    cutoff = Cutoff()
    arrived, over = anyio.Event(), anyio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await over.wait()
        writer.transport.abort()

    async def connect() -> None:
        dsn = f"host=127.0.0.1 port={port} connect_timeout=3600"
        with pytest.raises(DatabaseUnavailable, match="this process ends"):
            await door.connect(dsn, "baton", timeout=HOUR, name="tests")

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with cutoff.applied(), anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(connect)
                await arrived.wait()
                cutoff.cut()
        over.set()


async def test_nothing_is_opened_after_the_cut_but_for_others(database: str) -> None:
    cutoff = Cutoff()
    with cutoff.applied():
        cutoff.cut()
        with pytest.raises(DatabaseUnavailable, match="this process ends"):
            await door.connect(database, "baton", timeout=10, name="tests")
    conn = await door.connect(database, "baton", timeout=10, name="tests")
    await conn.close()
