"""Rescuing, as a worker process does it: all that a dead process left, and as soon as it can."""

from dataclasses import dataclass
from math import inf

import anyio
import pytest

from baton.services import rescuer as module
from baton.services.duty import Duty
from baton.services.lease_keeper import LeaseKeeper
from baton.services.rescuer import rescuer
from baton.store.pools import Database
from tests.services.test_node import until
from tests.support import process, rows, value

pytestmark = pytest.mark.anyio

LEFT = """
insert into baton.jobs (state, worker, attempt, attempted_by)
select 'executing', 'w', 1, 77 from generate_series(1, %s)
returning id
"""
NEVER = 3_600.0  # seconds: only what is called for happens


@dataclass
class Own:
    """The lease of the process that looks."""

    lease: int = 0
    back: float = inf

    def back_for(self) -> float:
        return self.back


async def test_more_than_one_run_can_take_is_taken_at_once(
    monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    await rows(database, LEFT, 10)
    async with Database(database, "baton", timeout=20, size=1) as opened:
        await rescued(rescuer(opened, Own(), interval=NEVER), database)


async def test_a_call_that_comes_just_after_the_run_of_another_is_not_lost(database: str) -> None:
    """That run may have looked before the jobs were left."""
    await rows(database, LEFT, 1)
    await rows(database, "update baton.duties set last_run_at = clock_timestamp() returning 1")
    async with Database(database, "baton", timeout=20, size=1) as opened:
        await rescued(rescuer(opened, Own(), interval=NEVER), database)


async def test_who_has_just_come_back_does_not_take_silence_for_death(
    monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    """The others were cut off too, and may need a moment more."""
    silent = """
      update baton.leases set renewed_at = now() - interval '1 h' where id = %s
      returning not exists (select from pg_locks where locktype = 'advisory' and database = (
        select own.oid from pg_database as own where own.datname = current_database()))
    """
    monkeypatch.setattr(module, "SILENCE", 0.1)  # the server may be young itself
    own = Own(back=0.09)
    async with (
        process(database) as worker,
        Database(database, "baton", timeout=20, size=1) as opened,
    ):
        worker.lease_connection.close()
        await until(lambda: value(database, silent, worker.lease))
        await rows(database, LEFT, 1)
        duty = rescuer(opened, own, interval=NEVER)
        await rescued(duty, database)
        assert await value(database, "select count(*) from baton.leases") == 1
        own.back = 0.1
        await rows(database, LEFT, 1)
        await rescued(duty, database)
        assert await value(database, "select count(*) from baton.leases") == 0


async def test_a_process_knows_when_it_came_back(database: str) -> None:
    keeper = LeaseKeeper(database, "baton", "tests", {}, ttl=300, timeout=30, on_lost=lambda: None)
    end = """
      select count(pg_terminate_backend(pid)) from pg_stat_activity
      where datname = current_database() and application_name = 'baton lease'
    """

    async def is_back() -> bool:
        return 0 < keeper.back_for() < inf

    async with anyio.create_task_group() as tasks:
        await tasks.start(keeper.run)
        assert keeper.back_for() == inf
        assert await value(database, end) == 1
        await until(is_back)
        tasks.cancel_scope.cancel()


async def rescued(duty: Duty, database: str) -> None:
    async def all_free() -> bool:
        return not await value(
            database, "select count(*) from baton.jobs where state = 'executing'"
        )

    async with anyio.create_task_group() as tasks:
        await tasks.start(duty.run)
        await until(all_free)
        tasks.cancel_scope.cancel()
