"""Cron in whole worker processes, and through the client."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest

from baton import Client, Job, Registry, SyncClient, Telemetry
from baton.errors import DuplicateCron, InvalidCron, InvalidJob, NotFound
from baton.node import Node
from tests.services.test_node import all_final, running, settings_for, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

COUNT = "select count(*) from baton.jobs"


async def test_a_tick_is_performed_soon_after_its_time(database: str) -> None:
    registry = Registry()
    late: list[timedelta] = []

    @registry.worker(cron="* * * * * *")
    async def each_second(job: Job) -> None:
        late.append(datetime.now(UTC) - job.scheduled_at)
        assert job.meta["cron_tick"] == job.scheduled_at.astimezone(UTC).isoformat()

    async with running(database, registry):
        with anyio.fail_after(60):
            # on an idle machine this is some milliseconds, and a busy one has its moments
            while len(late) < 3 or min(late) >= timedelta(milliseconds=500):
                await anyio.lowlevel.checkpoint()
    ticks = [at for (at,) in await rows(database, "select scheduled_at from baton.jobs")]
    assert len(ticks) == len(set(ticks))


async def test_three_nodes_fire_every_tick_once(database: str) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="* * * * * *")
    async def each_second(_job: Job) -> None: ...

    async with anyio.create_task_group() as tasks:
        nodes = [Node(settings_for(database), registry) for _ in range(3)]
        for node in nodes:
            await tasks.start(node.run)

        async def several() -> bool:
            return int(await value(database, COUNT)) >= 4

        await until(several)
        for node in nodes:
            node.stop()
    ticks = [at for (at,) in await rows(database, "select scheduled_at from baton.jobs")]
    assert len(ticks) == len(set(ticks))
    assert all(at.microsecond == 0 for at in ticks)


async def test_44_reboot_fires_once_with_three_nodes_started_together(
    database: str, request: pytest.FixtureRequest
) -> None:
    registry = Registry()
    runs: list[Job] = []

    @registry.worker(name="w", cron="@reboot")
    async def at_start(job: Job) -> None:
        runs.append(job)

    looked: set[Any] = set()

    def hear(_event: str, _measured: Any, about: Any) -> None:
        if about["plugin"] == "cron":
            looked.add(asyncio.current_task())

    Telemetry.attach("reboot", "baton.plugin.stop", hear)
    request.addfinalizer(partial(Telemetry.detach, "reboot"))
    for fleet in (1, 2):  # a restart of the whole fleet is a second reboot
        looked.clear()
        nodes = [Node(settings_for(database), registry) for _ in range(3)]
        async with anyio.create_task_group() as tasks:
            for node in nodes:
                tasks.start_soon(node.run)

            async def fired(fleet: int = fleet) -> bool:
                return len(runs) >= fleet

            async def all_looked() -> bool:
                # one that looks when the others have gone would take itself for the whole fleet
                return len(looked) == 3

            await until(fired)
            await until(all_looked)
            for node in nodes:
                node.stop()
        assert len(runs) == fleet


async def test_an_entry_that_is_added_while_nodes_run_is_fired(database: str) -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def each_second(_job: Job) -> None: ...

    async with running(database, registry) as (_, client):
        entry = await client.crons.add(each_second, "* * * * * *", name="added")
        assert entry.next_tick_at is not None

        async def some() -> bool:
            return int(await value(database, COUNT)) >= 1

        await until(some)
        await client.crons.pause("added")
        count = await value(database, COUNT)
        assert await value(database, COUNT) == count
        await client.crons.remove("added")
        await until(all_final(database))


async def test_41_to_43_when_the_node_that_fired_stops_another_goes_on(database: str) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="* * * * * *")
    async def each_second(_job: Job) -> None: ...

    async def fired(more_than: int) -> int:
        async def more() -> bool:
            return int(await value(database, COUNT)) > more_than

        await until(more)
        return int(await value(database, COUNT))

    async with running(database, registry):
        async with running(database, registry):
            count = await fired(0)
        await fired(count + 1)


@pytest.fixture
def registry() -> Registry:
    made = Registry()

    @made.worker(name="report", queue="mail", meta={"team": "a"})
    async def report(_job: Job, topic: str, copies: int = 1) -> None: ...

    return made


async def test_entries_are_added_changed_and_removed(database: str, registry: Registry) -> None:
    async with Client(database, registry=registry) as client:
        crons = client.crons
        added = await crons.add(
            "report", " 0  9 * * MON ", timezone="Europe/Berlin", args={"topic": "x"}, priority=3
        )
        assert (added.name, added.expression, added.source) == ("report", "0 9 * * MON", "database")
        assert added.next_tick_at is not None
        with pytest.raises(DuplicateCron):
            await crons.add("report", "@daily", args={"topic": "x"})
        edited = await crons.edit(
            "report", expression="@daily", catch_up=5, args={"topic": "y"}, priority=None, weight=2
        )
        assert (edited.expression, edited.catch_up, edited.args) == ("@daily", 5, {"topic": "y"})
        assert edited.options == {"weight": 2}
        assert edited.last_tick_at is not None
        job = await crons.run_now("report")
        assert (job.queue, job.args, job.meta["team"]) == ("mail", {"topic": "y"}, "a")
        assert job.meta["cron_name"] == "report"
        assert job.state == "available"
        assert [entry.name for entry in await crons.list()] == ["report"]
        await crons.remove("report")
        assert await crons.list() == []


def test_the_synchronous_client_does_the_same(database: str, registry: Registry) -> None:
    with SyncClient(database, registry=registry) as client:
        crons = client.crons
        crons.add("report", "@daily", name="n", args={"topic": "x"}, paused=True)
        assert crons.get("n").paused_at is not None
        assert crons.resume("n").paused_at is None
        assert crons.pause("n", by="me").paused_by == "me"
        assert crons.edit("n", timezone="Asia/Tokyo").timezone == "Asia/Tokyo"
        assert crons.run_now("n").args == {"topic": "x"}
        assert [entry.name for entry in crons.list()] == ["n"]
        crons.remove("n")
        for call in (crons.get, crons.remove, crons.pause, crons.resume, crons.run_now):
            with pytest.raises(NotFound, match="there is no cron entry n"):
                call("n")


@pytest.mark.parametrize(
    ("worker", "expression", "given", "sentence"),
    [
        ("report", "@daily", {}, "missing a required argument: 'topic'"),
        ("report", "@daily", {"args": {"topic": "x", "copies": "many"}}, "copies: "),
        ("other", "nonsense", {}, "it has 1 fields"),
        ("other", "@daily", {"timezone": "Mars"}, "no time zone"),
        ("other", "@daily", {"priority": 11}, "priority"),
        ("other", "@daily", {"args": {"x": object()}}, "can't be stored"),
        ("", "@daily", {"name": "n"}, "the worker must not be blank"),
    ],
)
async def test_what_cannot_be_an_entry_is_refused(
    database: str, registry: Registry, worker: str, expression: str, given: Any, sentence: str
) -> None:
    async with Client(database, registry=registry) as client:
        with pytest.raises(InvalidCron, match=sentence):
            await client.crons.add(worker, expression, **given)
        assert await client.crons.list() == []


async def test_an_entry_of_an_unknown_worker_may_be_added_and_run(database: str) -> None:
    async with Client(database, registry=Registry()) as client:
        await client.crons.add("elsewhere", "@daily", args={"x": 1}, queue="q", timeout=60)
        job = await client.crons.run_now("elsewhere")
        assert (job.worker, job.queue, job.timeout, job.args) == ("elsewhere", "q", 60, {"x": 1})
        await rows(database, """update baton.crons set options = '{"queue": 7}' returning name""")
        with pytest.raises(InvalidJob):
            await client.crons.run_now("elsewhere")


async def test_checks_before_an_insert_apply_to_the_jobs_of_entries(database: str) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="* * * * * *")
    async def each_second(_job: Job) -> None: ...

    seen: list[str] = []

    @registry.before_insert
    def note(job: Any) -> Any:
        seen.append(job.meta["cron_name"])
        return job

    async with running(database, registry):

        async def some() -> bool:
            return bool(seen)

        await until(some)
    assert set(seen) == {"w"}
