"""When a process sends its next cycle, and what it acknowledges in it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from baton import Job, Registry
from baton.errors import DatabaseUnavailable, InvalidData
from baton.outcomes import Ack
from baton.services import acknowledgements, lifeline, producer
from baton.services.executor import Executor
from baton.services.producer import Producer
from baton.states import State
from baton.store.cycles import Cycle

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUEUES = {"busy": 1, "other": 1, "roomy": 3}
SLOW = ("first", "second", "third", "fourth")


class Lease:
    """One that is always held."""

    lease = 1
    held = True

    def is_current(self, lease: int) -> bool:
        return lease == self.lease


class Server:
    """Takes every acknowledgement, and hands out what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[Job]] = []
        self.cycles: list[list[int]] = []  # what each acknowledged
        self.answers = anyio.Event()  # a cycle with acknowledgements waits for it
        self.loses = False  # the answer to the next one that has some

    async def cycle(
        self, _lease: int, acks: Sequence[Ack], _capacities: Mapping[str, int], **_: Any
    ) -> Cycle:
        self.cycles.append(sorted(ack.id for ack in acks))
        jobs = self.batches.pop(0) if self.batches else []
        await anyio.lowlevel.checkpoint()
        if acks:
            await self.answers.wait()
        if acks and self.loses:
            self.loses = False
            raise DatabaseUnavailable("the connection was cut", maybe_done=True)
        row = [None] * 19
        row[5] = [job.queue for job in jobs]
        cycle = Cycle(row, [ack.id for ack in acks], lambda: None)
        cycle.__dict__["_claims"] = (jobs, [])
        return cycle

    async def connect(self) -> None:
        """Nothing is to be opened."""


class Process:
    """A producer and an executor; a job with a name waits until that is let go."""

    def __init__(self, server: Server | None = None, suspicion: float = 0.0) -> None:
        self.server = server or Server()
        self.go = {name: anyio.Event() for name in SLOW}
        registry = Registry()

        @registry.worker(name="nothing")
        async def nothing(_job: Job) -> None: ...

        @registry.worker(name="slow")
        async def slow(_job: Job, name: str) -> None:
            await self.go[name].wait()

        self.producer = Producer(
            self.server, Lease(), QUEUES, poll_interval=3_600, suspicion=suspicion
        )
        self.executor = Executor(
            registry, queues=QUEUES, max_result_bytes=1_000, on_done=self.producer.acknowledge
        )
        self.producer.supply(self.executor)

    @asynccontextmanager
    async def during_a_cycle(self, number: int) -> AsyncIterator[None]:
        """A cycle whose answer comes when the block has ended and its jobs have."""
        self.server.answers = anyio.Event()
        await self.reaches(number)
        yield
        await self.stays_at(number)
        self.server.answers.set()

    async def reaches(self, cycles: int) -> None:
        with anyio.fail_after(60):
            while len(self.server.cycles) < cycles:
                await anyio.lowlevel.checkpoint()

    async def stays_at(self, cycles: int) -> None:
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert len(self.server.cycles) == cycles


@pytest.fixture
async def process(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    """One that gathers the end of job 2 of ``busy``, runs the third, and has the fourth waiting."""
    monkeypatch.setattr(producer, "GATHERING", 3_600.0)
    monkeypatch.setattr(
        producer, "LONGEST_WAIT", 3_600.0
    )  # or a slow machine gives back the fourth
    process = Process()
    process.server.batches = [
        [claimed(1), claimed(2, name="first"), claimed(3, name="second"), claimed(4)]
    ]
    async with anyio.create_task_group() as tasks:
        await tasks.start(process.executor.run)
        await tasks.start(process.producer.run)
        async with process.during_a_cycle(2):
            process.go["first"].set()
        await process.stays_at(2)
        yield process
        tasks.cancel_scope.cancel()


def claimed(job_id: int, queue: str = "busy", **args: Any) -> Job:
    return Job(
        id=job_id,
        state=State.EXECUTING,
        queue=queue,
        worker="slow" if args else "nothing",
        args=args,
        meta={},
        tags=(),
        priority=0,
        attempt=1,
        max_attempts=3,
        errors=[],
        epoch=1,
        inserted_at=NOW,
        scheduled_at=NOW,
    )


async def test_a_call_for_a_queue_with_a_free_slot_ends_the_gathering(process: Process) -> None:
    process.producer.wake("busy")  # which has jobs enough
    process.producer.wake("nobody's")
    await process.stays_at(2)
    process.producer.wake("other")
    await process.reaches(3)
    assert process.server.cycles == [[], [1], [2]]


async def test_a_look_for_everything_ends_the_gathering(process: Process) -> None:
    process.producer.wake()
    await process.reaches(3)


async def test_a_slot_for_which_nothing_waits_ends_the_gathering(process: Process) -> None:
    others = claimed(5, "other", name="third")
    process.server.batches = [[others, claimed(6, name="fourth"), claimed(7)]]
    process.producer.wake()
    async with process.during_a_cycle(3):
        process.go["second"].set()
    await process.stays_at(3)
    process.go["third"].set()
    await process.reaches(4)
    assert process.server.cycles[2:] == [[2], [3, 4, 5]]


async def test_a_call_that_comes_during_a_cycle_is_kept(process: Process) -> None:
    process.server.batches = [[claimed(6, name="fourth"), claimed(7)]]
    process.producer.wake()
    async with process.during_a_cycle(3):
        process.go["second"].set()
        process.producer.wake("other")
    await process.reaches(4)
    assert process.server.cycles[2:] == [[2], [3, 4]]


@asynccontextmanager
async def at_leisure() -> AsyncIterator[Process]:
    """One that runs two jobs of a queue with a third slot."""
    process = Process()
    process.server.answers.set()
    process.server.batches = [
        [claimed(1, "roomy", name="first"), claimed(2, "roomy", name="second")]
    ]
    async with anyio.create_task_group() as tasks:
        await tasks.start(process.executor.run)
        await tasks.start(process.producer.run)
        await process.reaches(1)
        yield process
        tasks.cancel_scope.cancel()


async def test_an_end_that_nothing_waits_for_holds_up_no_fetch_and_waits_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledgements, "LEISURE", 3_600.0)
    async with at_leisure() as process:
        process.go["first"].set()
        await process.stays_at(1)
        process.producer.wake("roomy")
        await process.reaches(2)
        process.go["second"].set()
        await process.stays_at(2)
        process.producer.drain()
        await process.producer.drained()
        assert process.server.cycles == [[], [], [1, 2]]


async def test_an_end_that_nothing_waits_for_is_acknowledged_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledgements, "LEISURE", 0.0)
    async with at_leisure() as process:
        process.go["first"].set()
        await process.reaches(2)
        assert process.server.cycles == [[], [1]]


async def test_a_slot_that_other_processes_may_wait_for_is_freed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledgements, "LEISURE", 3_600.0)
    async with at_leisure() as process:
        process.go["first"].set()
        await process.stays_at(1)
        process.producer.limit({"roomy"})
        process.go["second"].set()  # takes the first along
        await process.reaches(2)
        assert process.server.cycles == [[], [1, 2]]


async def test_an_end_in_a_queue_without_a_free_slot_is_acknowledged_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledgements, "LEISURE", 3_600.0)
    async with at_leisure() as process:
        process.server.batches = [[claimed(3, "roomy", name="third")]]
        process.producer.wake("roomy")
        await process.reaches(2)
        process.go["third"].set()
        await process.reaches(3)
        assert process.server.cycles == [[], [], [3]]


async def test_an_end_whose_answer_was_lost_is_acknowledged_again() -> None:
    """Whether the server took it is not known; it takes it once."""
    async with at_leisure() as process:
        process.server.loses = True
        process.go["first"].set()
        process.go["second"].set()
        process.producer.drain()
        with anyio.fail_after(60):
            await process.producer.drained()
        sent = [acks for acks in process.server.cycles if acks]
        assert len(sent) > 1
        assert {job_id for acks in sent[1:] for job_id in acks} == {1, 2}


class Picky(Server):
    """Refuses acknowledgements that come together, and is asked what was claimed and lost."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = False
        self.known: list[list[int]] = []

    async def cycle(
        self, lease: int, acks: Sequence[Ack], capacities: Mapping[str, int], **options: Any
    ) -> Cycle:
        if len(acks) > 1:
            self.refused = True
            raise InvalidData("one of them")
        return await super().cycle(lease, acks, capacities, **options)

    async def return_lost(self, _lease: int, known: Sequence[int]) -> list[int]:
        if self.refused:
            self.known.append(list(known))
        return []


async def test_what_ended_beside_what_the_database_refuses_is_not_taken_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be given back, and run again, while its own acknowledgement has yet to come."""
    monkeypatch.setattr(lifeline, "LOST_CLAIMS_PAUSE", 0.0)
    process = Process(Picky(), suspicion=60)
    server = process.server
    assert isinstance(server, Picky)
    server.answers.set()
    server.batches = [[claimed(1, "roomy"), claimed(2, "roomy"), claimed(3, "roomy")]]
    async with anyio.create_task_group() as tasks:
        await tasks.start(process.executor.run)
        await tasks.start(process.producer.run)
        with anyio.fail_after(60):
            while not {1, 2, 3} <= {each for cycle in server.cycles for each in cycle}:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    # the first went alone, and the others after it, together
    assert [set(each) for each in server.known] == [{2, 3}] * 2
