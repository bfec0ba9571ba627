"""Queue control in whole worker processes, inside the test's event loop."""

from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from baton import Client, Job, Registry, SyncClient
from baton.errors import InvalidQueue
from baton.jobs import NewJob
from baton.services import producer
from baton.services.foresight import Foresight
from tests.services.test_node import running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

SLOW_POLL = 3_600.0  # whatever starts within the test was not found by the poll


class Gate:
    """A worker whose jobs run until they are let go."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.running: Counter[str] = Counter()
        self.most = 0
        self.started = 0
        self._tickets = anyio.Semaphore(0)
        self.registry.worker(name="gated")(self._perform)

    def job(self, **options: Any) -> NewJob:
        return NewJob(worker="gated", **options)

    async def _perform(self, job: Job) -> None:
        self.running[job.queue] += 1
        self.started += 1
        self.most = max(self.most, self.running.total())
        try:
            await self._tickets.acquire()
        finally:
            self.running[job.queue] -= 1

    def let_go(self, count: int = 1) -> None:
        for _ in range(count):
            self._tickets.release()

    async def runs(self, count: int, queue: str = "default") -> None:
        await until(self._check(lambda: self.running[queue] == count))

    async def has_started(self, count: int) -> None:
        await until(self._check(lambda: self.started == count))

    @staticmethod
    def _check(condition: Any) -> Any:
        async def check() -> bool:
            return bool(condition())

        return check


def completed(database: str, count: int) -> Any:
    async def check() -> bool:
        query = "select count(*) from baton.jobs where state = 'completed'"
        return int(await value(database, query)) == count

    return check


def serves(database: str, queues: dict[str, int], node: str = "one") -> Any:
    """Whether the lease of a process says that it serves these queues."""

    async def check() -> bool:
        found = await rows(database, "select queues from baton.leases where node = %s", node)
        return found == [(queues,)]

    return check


async def test_24_running_jobs_never_exceed_the_slots(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, queues=["default=3"]) as (_, client):
        await client.insert_all([gate.job() for _ in range(12)])
        await gate.runs(3)
        gate.let_go(12)
        await until(completed(database, 12))
    assert gate.most == 3


async def test_26_freed_capacity_refills_without_waiting_for_the_poll(database: str) -> None:
    gate = Gate()
    changes: dict[str, Any] = {"queues": ["default=2"], "poll_interval": SLOW_POLL}
    async with running(database, gate.registry, **changes) as (_, client):
        await client.insert_all([gate.job() for _ in range(4)])
        await gate.runs(2)
        gate.let_go(1)
        await gate.has_started(3)
        gate.let_go(3)
        await gate.has_started(4)


async def test_26_a_place_freed_by_a_process_without_use_for_it_is_taken_by_another(
    database: str,
) -> None:
    first, second = Gate(), Gate()
    async with AsyncExitStack() as stack:
        changes: dict[str, Any] = {"queues": ["default=5"], "poll_interval": SLOW_POLL}
        _, client = await stack.enter_async_context(
            running(database, first.registry, node="one", **changes)
        )
        await client.queues.limit("default", global_limit=1)
        await client.insert(first.job())
        await first.runs(1)
        await stack.enter_async_context(running(database, second.registry, node="two", **changes))
        await client.insert(first.job())
        await client.queues.stop("default", node="one")
        await until(serves(database, {"default": 0}))
        first.let_go()
        await second.runs(1)
        second.let_go()


async def test_27_a_paused_queue_finishes_what_runs_and_starts_nothing(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, queues=["default=5"]) as (_, client):
        await client.insert_all([gate.job(), gate.job()])
        await gate.runs(2)
        await client.queues.pause("default", by="tests")
        await client.insert(gate.job())
        gate.let_go(3)
        await until(completed(database, 2))
        [queue] = await client.queues.list()
        assert (queue.is_paused, queue.paused_by, queue.counts) == (
            True,
            "tests",
            {"available": 1},
        )
        assert gate.started == 2
        await client.queues.resume("default")
        await until(completed(database, 3))


async def test_a_pause_gives_back_what_was_claimed_ahead(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often something of the queue still begins, so that nothing waits for long."""
    monkeypatch.setattr(Foresight, "ahead", lambda *_: {"default": 5})
    monkeypatch.setattr(producer, "LONGEST_WAIT", 3_600)
    gate = Gate()

    async def are(expected: list[tuple[str, int]]) -> bool:
        query = "select state::text, attempt from baton.jobs order by id"
        return await rows(database, query) == expected

    async with running(database, gate.registry, queues=["default=1"]) as (_, client):
        await client.insert_all([gate.job() for _ in range(3)])
        await until(lambda: are([("executing", 1)] * 3))
        await client.queues.pause("default")
        await until(lambda: are([("executing", 1), ("available", 0), ("available", 0)]))
        gate.let_go(3)
        await until(completed(database, 1))
        assert gate.started == 1
        await client.queues.resume("default")
        await until(completed(database, 3))


async def test_28_resume_dispatches_at_once(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, poll_interval=SLOW_POLL) as (_, client):
        await client.queues.pause("default")
        await client.insert(gate.job())
        assert gate.started == 0
        await client.queues.resume("default")
        await gate.runs(1)
        gate.let_go()


async def test_29_scaling_acts_on_all_processes_or_the_named_one(database: str) -> None:
    gates = [Gate(), Gate()]
    async with AsyncExitStack() as stack:
        for name, gate in zip(("one", "two"), gates, strict=True):
            _, client = await stack.enter_async_context(
                running(
                    database,
                    gate.registry,
                    node=name,
                    queues=["default=1"],
                    poll_interval=SLOW_POLL,
                )
            )
        await client.insert_all([gates[0].job() for _ in range(20)])
        for gate in gates:
            await gate.runs(1)
        await client.queues.scale("default", 4, node="two")
        await gates[1].runs(4)
        assert gates[0].started == 1
        await client.queues.scale("default", 6)
        for gate in gates:
            await gate.runs(6)
        await until(serves(database, {"default": 6}, "one"))
        await until(serves(database, {"default": 6}, "two"))
        await client.queues.scale("default", 1)
        await until(serves(database, {"default": 1}, "one"))
        started = gates[0].started
        gates[0].let_go(5)
        await gates[0].runs(1)
        assert gates[0].started == started
        for gate in gates:
            gate.let_go(20)


async def test_29_stop_and_start_act_on_the_named_process(database: str) -> None:
    first, second = Gate(), Gate()
    async with AsyncExitStack() as stack:
        for name, gate in (("one", first), ("two", second)):
            _, client = await stack.enter_async_context(
                running(database, gate.registry, node=name, queues=["default=1"])
            )
        await client.queues.stop("default", node="one")
        await client.insert_all([first.job() for _ in range(2)])
        await second.runs(1)
        await until(serves(database, {"default": 0}))
        assert first.started == 0
        await client.queues.start("default", node="one")
        await first.runs(1)
        for gate in (first, second):
            gate.let_go()


async def test_30_starting_an_existing_queue_is_a_no_op(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, node="one", queues=["default=2"]) as (_, client):
        await client.queues.start("default")
        assert [queue.scaled_to for queue in await client.queues.list()] == [None]
        await client.queues.start("default", 9)
        await client.queues.start("extra", 1)
        await until(serves(database, {"default": 2, "extra": 1}))
        await client.queues.start("extra", 7)
        await client.queues.scale("default", 3)
        await until(serves(database, {"default": 3, "extra": 1}))


async def test_a_queue_that_the_process_was_not_started_with_can_be_started(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, poll_interval=SLOW_POLL) as (_, client):
        await client.insert_all([gate.job(queue="new") for _ in range(3)])
        await client.queues.start("new", 2)
        await gate.runs(2, "new")
        await client.queues.stop("new")
        gate.let_go(3)
        await until(completed(database, 2))
        assert gate.started == 2


async def test_a_queue_stopped_everywhere_starts_in_one_process_with_a_number(
    database: str,
) -> None:
    gate = Gate()
    async with running(database, gate.registry, node="one", queues=["default=2"]) as (_, client):
        await client.queues.stop("default")
        with pytest.raises(InvalidQueue, match="say how many slots"):
            await client.queues.start("default", node="one")
        await client.queues.start("default", 1, node="one")
        await until(serves(database, {"default": 1}))
        await client.queues.start("default")
        await client.queues.scale("default", 4)
        await until(serves(database, {"default": 4}))


async def test_what_was_said_outlives_restarts(database: str) -> None:
    gate = Gate()
    async with Client(database) as client:
        await client.queues.scale("default", 3)
        await client.queues.start("extra", 1, node="one")
        await client.queues.pause("mail")
        changes: dict[str, Any] = {"node": "one", "queues": ["default=9", "mail=1"]}
        for count in (2, 4):
            await client.insert_all([gate.job(queue=name) for name in ("default", "extra", "mail")])
            async with running(database, gate.registry, **changes):
                await until(serves(database, {"default": 3, "extra": 1, "mail": 1}))
                gate.let_go(2)
                await until(completed(database, count))
        waiting = "select distinct queue from baton.jobs where state = 'available'"
        assert await rows(database, waiting) == [("mail",)]


async def test_47_what_a_fetch_brings_after_the_process_was_told_to_stop_is_not_started(
    database: str,
) -> None:
    gate = Gate()
    async with Client(database) as client:
        await client.insert_all([gate.job() for _ in range(5)])
        for _ in range(5):
            async with running(database, gate.registry) as (node, _):
                node.stop()
    assert gate.running.total() == 0
    found = await rows(database, "select distinct state::text, attempt from baton.jobs")
    assert found == [("available", 0)]


async def test_32_check_reports_processes_and_the_jobs_that_they_run(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, node="one", queues=["default=3"]) as (_, client):
        inserted = await client.insert_all([gate.job() for _ in range(2)])
        await gate.runs(2)
        await client.queues.pause("default", node="one")
        [process] = await client.queues.check("default")
        assert process.running == tuple(job.id for job in inserted)
        assert (process.node, process.slots, process.paused) == ("one", 3, True)
        assert await client.queues.check("unknown") == []
        gate.let_go(2)
        await until(completed(database, 2))


async def test_every_known_queue_is_listed_with_what_was_said_about_it(database: str) -> None:
    gate = Gate()
    async with running(database, gate.registry, node="one", queues=["default=3"]) as (_, client):
        await client.insert_all(
            [gate.job(queue="waiting"), gate.job(queue="later", schedule_in=60)]
        )
        await client.queues.limit(
            "limited",
            global_limit=2,
            rate_limit=10,
            rate_period=60,
            partition_by="meta.region",
            ageing=30,
        )
        await client.queues.pause("default", node="elsewhere")
        found = {queue.name: queue for queue in await client.queues.list()}
    assert sorted(found) == ["default", "later", "limited", "waiting"]
    assert (found["default"].processes, found["default"].slots) == (1, 3)
    assert found["default"].paused_nodes == ("elsewhere",)
    assert found["waiting"].counts == {"available": 1}
    assert found["later"].counts == {"scheduled": 1}
    limited = found["limited"]
    assert (limited.global_limit, limited.rate_limit, limited.rate_period) == (2, 10, 60)
    assert (limited.partition_by, limited.ageing) == ("meta.region", 30)


async def test_rate_limited_work_starts_when_it_may_and_not_at_the_next_poll(database: str) -> None:
    gate = Gate()
    gate.let_go(6)
    async with running(database, gate.registry, poll_interval=SLOW_POLL) as (_, client):
        await client.queues.limit("default", rate_limit=2, rate_period=0.2)
        await client.insert_all([gate.job() for _ in range(6)])
        await until(completed(database, 6))
    starts = await rows(database, "select attempted_at from baton.jobs order by attempted_at")
    times = [at for (at,) in starts]
    gaps = [(times[index + 2] - times[index]).total_seconds() for index in range(4)]
    assert min(gaps) >= 0.2


def test_programs_without_an_event_loop_control_queues_as_well(database: str) -> None:
    with SyncClient(database) as client:
        queues = client.queues
        queues.limit("default", global_limit=3, partition_by="worker")
        queues.pause("default", by="me")
        queues.scale("default", 2)
        [queue] = queues.list()
        assert (queue.global_limit, queue.paused_by, queue.scaled_to) == (3, "me", 2)
        queues.resume("default")
        queues.stop("default")
        queues.start("default")
        queues.limit("default", global_limit=None, partition_by=None)
        assert queues.list() == []
        assert queues.check("default") == []
        with pytest.raises(InvalidQueue):
            queues.scale("default", 0)


async def test_a_row_that_says_nothing_any_more_is_forgotten(database: str) -> None:
    async with Client(database) as client:
        await client.queues.pause("default")
        await client.queues.pause("default", node="one")
        await client.queues.resume("default")
        assert await value(database, "select count(*) from baton.queues") == 0
        assert await value(database, "select count(*) from baton.queue_nodes") == 0
