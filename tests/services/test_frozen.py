"""A process that was frozen begins nothing that others may have been given meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import current_thread, main_thread
from time import monotonic

import anyio
import pytest

from baton.jobs import Job
from baton.outcomes import Ack
from baton.services import lease_keeper
from baton.services.executor import Executor
from baton.services.lease_keeper import LeaseKeeper
from baton.services.stopping import Stop
from baton.workers import Registry
from tests.services.test_executor import make_job

pytestmark = pytest.mark.anyio

HOUR = 3_600


class Process:
    """An executor whose lease may be in doubt; the first job it has lasts until it is told."""

    def __init__(self) -> None:
        self.sure = True
        self.asked = anyio.Event()
        self.told = anyio.Event()
        self.ran: list[int] = []
        self.acks: list[Ack | None] = []
        registry = Registry()

        @registry.worker(name="w")
        async def work(job: Job) -> None:
            self.ran.append(job.id)
            if job.id == 1:
                await self.told.wait()

        self.executor = Executor(
            registry,
            queues={"default": 1},
            max_result_bytes=1_000,
            on_done=lambda _, ack: self.acks.append(ack),
            may_begin=self.may_begin,
        )

    def may_begin(self) -> bool:
        if not self.sure:
            self.asked.set()
        return self.sure


@asynccontextmanager
async def frozen() -> AsyncIterator[Process]:
    """One that wakes up with a job that ends, and two more that it claimed ahead."""
    process = Process()
    async with anyio.create_task_group() as tasks:
        await tasks.start(process.executor.run)
        for number in (1, 2, 3):
            process.executor.submit(make_job(number))
        while process.ran != [1]:
            await anyio.lowlevel.checkpoint()
        process.sure = False
        process.told.set()
        with anyio.fail_after(60):
            await process.asked.wait()
            assert process.ran == [1]
            yield process
            await process.executor.wait_idle()
        tasks.cancel_scope.cancel()


async def test_what_was_claimed_ahead_begins_when_the_lease_turns_out_to_be_held() -> None:
    async with frozen() as process:
        process.sure = True
    assert process.ran == [1, 2, 3]
    assert len(process.acks) == 3


async def test_what_others_run_by_now_never_begins() -> None:
    async with frozen() as process:
        process.executor.stop(Stop.ABANDON)
    assert process.ran == [1]
    assert process.acks[1:] == [None, None]


async def test_what_is_claimed_under_the_next_lease_begins() -> None:
    async with frozen() as process:
        process.executor.stop(Stop.ABANDON)
        process.sure = True
        process.executor.submit(make_job(4))
    assert process.ran == [1, 4]


async def test_a_process_that_ends_gives_back_what_it_doubts() -> None:
    async with frozen() as process:
        process.executor.return_waiting()
    assert process.ran == [1]
    assert [ack is not None and ack.refund for ack in process.acks[1:]] == [True, True]


async def test_a_lease_that_was_not_renewed_in_time_lets_nothing_begin(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the process finds its clock when it wakes up, before anything has looked at it."""
    slept = 0.0

    def clock() -> float:
        """The thread that renews the lease sleeps on."""
        return monotonic() + (slept if current_thread() is main_thread() else 0)

    monkeypatch.setattr(lease_keeper, "monotonic", clock)
    lost: list[int] = []
    keeper = LeaseKeeper(
        database, "baton", "frozen", {}, ttl=HOUR, timeout=30, on_lost=lambda: lost.append(1)
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(keeper.run)
        assert keeper.may_begin()
        slept = HOUR * 0.84
        assert not keeper.may_begin()
        assert not lost
        tasks.cancel_scope.cancel()
