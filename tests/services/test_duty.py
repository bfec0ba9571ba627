"""A periodic duty: when it runs, and when it does not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from time import monotonic

import anyio
import pytest

from baton import Registry
from baton.errors import DatabaseUnavailable
from baton.services.duty import LEAST, Duty
from tests.services.test_node import running as node_running
from tests.services.test_node import until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

# What there is to do for a duty, which nobody is told of.
WORK = {
    "rescue": """
      insert into baton.leases (node, guarded, expires_at)
      values ('dead', false, now() - interval '1 s') returning id
    """,
    "sweep": """
      insert into baton.workflow_releases (job_ids, inserted_at)
      values ('{}', now() - interval '1 h') returning id
    """,
}


class Runs:
    """Counts the runs of a duty, and lets a test wait for one."""

    def __init__(self, *, wanted: float | None = None, interval: float = 3_600) -> None:
        self.times: list[float] = []
        self.wanted = wanted
        self.during: Callable[[], None] = lambda: None
        self.duty = Duty("test", interval=interval, perform=self._perform)
        self._ran = anyio.Condition()

    async def _perform(self) -> float | None:
        async with self._ran:
            self.times.append(monotonic())
            self._ran.notify_all()
        self.during()
        return self.wanted

    async def reach(self, count: int) -> None:
        with anyio.fail_after(60):
            async with self._ran:
                while len(self.times) < count:
                    await self._ran.wait()


@asynccontextmanager
async def running(runs: Runs) -> AsyncIterator[Runs]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(runs.duty.run)
        yield runs
        tasks.cancel_scope.cancel()


async def test_it_runs_at_the_start_and_when_it_is_woken() -> None:
    async with running(Runs()) as runs:
        await runs.reach(1)
        runs.duty.wake()
        await runs.reach(2)


async def test_a_wake_up_during_a_run_is_kept() -> None:
    runs = Runs()
    runs.during = lambda: runs.duty.wake() if len(runs.times) == 1 else None
    async with running(runs):
        await runs.reach(2)


async def test_the_earliest_of_several_wake_ups_counts_and_it_is_not_too_early() -> None:
    async with running(Runs()) as runs:
        await runs.reach(1)
        asked = monotonic()
        runs.duty.wake_in(3_000)
        runs.duty.wake_in(0.2)
        runs.duty.wake_in(inf)
        await runs.reach(2)
    assert runs.times[1] - asked >= 0.2


async def test_the_time_that_a_run_asks_for_is_kept_up_to_the_interval() -> None:
    async with running(Runs(wanted=3_600, interval=0.05)) as runs:
        await runs.reach(3)


async def test_however_often_it_is_woken_there_is_a_pause() -> None:
    runs = Runs(wanted=0.0)
    runs.during = runs.duty.wake
    began = monotonic()
    async with running(runs):
        await runs.reach(6)
    assert runs.times[5] - began >= LEAST * 5


async def test_a_run_that_the_database_refuses_is_tried_again() -> None:
    tries = anyio.Event()

    async def refuse() -> float | None:
        if duty_runs:
            tries.set()
        duty_runs.append(1)
        raise DatabaseUnavailable("away")

    duty_runs: list[int] = []
    duty = Duty("test", interval=0.01, perform=refuse)
    async with anyio.create_task_group() as tasks:
        await tasks.start(duty.run)
        with anyio.fail_after(60):
            await tries.wait()
        tasks.cancel_scope.cancel()


async def test_the_duties_of_a_process_that_stops_are_taken_over_at_once(database: str) -> None:
    """Two processes offer, one at a time does it, and nobody notices that one of them goes."""
    ran = "select last_run_at from baton.duties where name = %s"
    async with node_running(database, Registry()):
        async with node_running(database, Registry()) as (leaving, _):
            for duty in ("rescue", "sweep"):
                await until(has_run(database, duty, since="-infinity"))
            leaving.stop()
        # it has given its lease back, and with it whatever it held
        assert await value(database, "select count(*) from baton.leases") == 1
        for duty, work in WORK.items():
            last = str(await value(database, ran, duty))
            await rows(database, work)
            await until(has_run(database, duty, since=last))


def has_run(dsn: str, duty: str, *, since: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        query = "select last_run_at > %s::timestamptz from baton.duties where name = %s"
        return bool(await value(dsn, query, since, duty))

    return check
