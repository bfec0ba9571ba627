"""How a worker process ends while its database does not answer: in time, and without a loss."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from baton import Client, Job, Registry
from baton.node import Node
from baton.services.ending import Ending, unless
from tests.services.test_node import all_final, running, settings_for, until
from tests.support import connection, rows, value, waiters
from tests.wire import Wire, counting

pytestmark = pytest.mark.anyio

HOUR = 3_600


class Holding:
    """A worker whose job ends when it is told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = anyio.Event()
        self.told = anyio.Event()
        self.ended = anyio.Event()
        self.registry = Registry()

        @self.registry.worker(name="hold")
        async def hold(job: Job) -> None:
            self.runs += 1
            self.begun.set()
            await self.told.wait()
            self.ended.set()

        self.new = hold.new


@asynccontextmanager
async def hour_long(
    wire: Wire, jobs: Holding, grace: float = 0
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """A node whose statements and connections may take an hour; what is yielded awaits its end."""
    dsn = f"{wire.dsn} connect_timeout={HOUR} tcp_user_timeout={HOUR * 1000}"
    node = Node(settings_for(dsn, statement_timeout=HOUR, grace=grace), jobs.registry)
    ended = anyio.Event()
    clean = True

    async def run(*, task_status: Any) -> None:
        nonlocal clean
        clean = await node.run(task_status=task_status)
        ended.set()

    async def stop() -> bool:
        node.stop()
        with anyio.fail_after(60):
            await ended.wait()
        return clean

    async with anyio.create_task_group() as tasks:
        await tasks.start(run)
        yield stop


async def begun(database: str, jobs: Holding) -> None:
    async with Client(database) as client:
        await client.insert(jobs.new())
    await jobs.begun.wait()


@pytest.mark.parametrize("trouble", [Wire.hold, Wire.refuse])
async def test_a_process_ends_while_its_database_is_silent_or_gone(
    database: str, trouble: Callable[[Wire], None]
) -> None:
    """Its job has ended, and nobody could be told; the next process runs it again."""
    jobs = Holding()
    async with counting(database) as wire:
        with capture_logs() as logs:
            async with hour_long(wire, jobs) as stop:
                await begun(database, jobs)
                trouble(wire)
                jobs.told.set()
                await jobs.ended.wait()
                assert not await stop()
        assert [each["jobs"] for each in logs if each["event"] == "jobs.left_behind"] == [[1]]
        wire.pass_on()  # the acknowledgement too, if that was on its way
        async with running(database, jobs.registry):
            await until(all_final(database))
    found = await rows(database, "select state::text, attempt from baton.jobs")
    assert found == [("completed", jobs.runs)]


async def test_a_process_ends_while_its_statements_wait_for_a_lock(database: str) -> None:
    jobs = Holding()
    async with counting(database) as wire, connection(database) as holder:
        async with hour_long(wire, jobs) as stop:
            await begun(database, jobs)
            async with holder.transaction():
                await holder.execute("lock table baton.jobs")
                jobs.told.set()
                async with connection(database) as looking:
                    await until(lambda: waiters(looking))
                assert not await stop()
        # the sessions on the server go on now: one may still acknowledge it, and claims nothing
        async with running(database, jobs.registry):
            await until(all_final(database))
    found = await rows(database, "select state::text, attempt from baton.jobs")
    assert found == [("completed", jobs.runs)]


async def test_a_process_ends_while_it_connects(database: str) -> None:
    """It opens connections when it begins, after a cut, and for duties."""
    jobs = Holding()
    async with counting(database) as wire:
        async with hour_long(wire, jobs) as stop:
            await begun(database, jobs)
            wire.hold()
            await rows(
                database,
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()",
            )
            jobs.told.set()
            await jobs.ended.wait()
            assert not await stop()


async def test_a_stopped_process_gives_its_lease_back_and_leaves_no_thread(database: str) -> None:
    jobs = Holding()
    jobs.told.set()
    before = set(threading.enumerate())
    async with counting(database) as wire, hour_long(wire, jobs, grace=60) as stop:
        await begun(database, jobs)
        assert await stop()
    assert await value(database, "select count(*) from baton.leases") == 0
    left = set(threading.enumerate()) - before
    assert "baton lease" not in {thread.name for thread in left}


async def test_the_grace_is_over_when_a_process_is_asked_twice() -> None:
    over: list[str] = []
    ending = Ending(HOUR, lambda: over.append("time"))
    ending.ask()
    assert ending.farewell() > HOUR
    ending.ask()
    with anyio.fail_after(60):
        assert not await unless(anyio.sleep_forever, ending.grace_over)
        assert not await unless(anyio.sleep_forever, ending.time_over)
        while not over:
            await anyio.lowlevel.checkpoint()
    assert await unless(anyio.lowlevel.checkpoint, anyio.sleep_forever)


async def test_a_process_is_asked_to_end_from_outside_of_any_task() -> None:
    """As a thread does, which hears what the parent of several processes says."""
    ending = Ending(grace=3_600)
    call = asyncio.get_running_loop().call_soon_threadsafe
    for _ in range(2):
        thread = threading.Thread(target=call, args=[ending.ask])
        thread.start()
        thread.join()
    with anyio.fail_after(30):
        await ending.wait_asked()
        await ending.grace_over()
    ending.close()
