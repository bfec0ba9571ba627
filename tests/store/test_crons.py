"""Firing cron entries: once per tick, whatever the number of processes and their clocks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from baton import Client, Job, Registry
from baton.services.cron import Scheduler
from baton.store import crons as store
from baton.store.crons import Firing
from baton.store.pools import Database
from tests.services.test_node import until
from tests.support import connection, job, process, rows, value

pytestmark = pytest.mark.anyio

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def program(**options: Any) -> Registry:
    """A program with one worker that runs every five minutes."""
    registry = Registry()

    @registry.worker(name="w", **{"cron": "*/5 * * * *", **options})
    async def nothing(_job: Job) -> None: ...

    return registry


def scheduler(database: Database, registry: Registry | None = None) -> Scheduler:
    return Scheduler(database, registry if registry is not None else program(), limit=1_000_000)


async def ticks(dsn: str) -> list[str]:
    query = "select to_char(scheduled_at at time zone 'utc', 'HH24:MI') from baton.jobs order by 1"
    return [found for (found,) in await rows(dsn, query)]


async def set_last_tick(dsn: str, at: datetime, name: str = "w") -> None:
    query = "update baton.crons set last_tick_at = %s where name = %s returning name"
    assert await rows(dsn, query, at, name)


async def add(dsn: str, name: str, expression: str, **columns: Any) -> None:
    """Write an entry as a person does in psql, long before noon."""
    given = {"name": name, "expression": expression, "worker": "w", **columns}
    given.setdefault("inserted_at", NOON - timedelta(days=3))
    names, places = ", ".join(given), ", ".join(["%s"] * len(given))
    query = f"insert into baton.crons ({names}) values ({places}) returning name"
    await rows(dsn, query, *given.values())


async def test_two_processes_and_one_cron_entry_insert_once(database: str) -> None:
    async with Database(database, "baton") as one, Database(database, "baton") as other:
        first, second = scheduler(one), scheduler(other)
        for each in (first, second):
            await each.look(NOON - MINUTE)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.look, NOON)
            tasks.start_soon(second.look, NOON)
    assert await ticks(database) == ["12:00"]


async def test_twenty_processes_fire_each_tick_once(database: str) -> None:
    databases = [Database(database, "baton") for _ in range(20)]
    schedulers = [scheduler(each) for each in databases]
    for entry in ("a", "b", "c"):
        await add(database, entry, "*/5 * * * *", last_tick_at=NOON - MINUTE)
    try:
        for minutes in range(-5, 30, 5):
            async with anyio.create_task_group() as tasks:
                for each in schedulers:
                    tasks.start_soon(each.look, NOON + timedelta(minutes=minutes))
        # whoever lost against a lock looks again
        await schedulers[0].look(NOON + timedelta(minutes=25))
    finally:
        for each in databases:
            await each.close()
    expected = ["12:00", "12:05", "12:10", "12:15", "12:20", "12:25"]
    assert await ticks(database) == sorted(expected * 4)
    assert await value(database, "select count(*) from baton.crons") == 4


async def test_twenty_claims_of_the_same_reading_take_once(database: str) -> None:
    """All have read the same last tick before anybody wrote."""
    await add(database, "w", "*/5 * * * *")
    databases = [Database(database, "baton") for _ in range(20)]
    fired: list[Sequence[Job]] = []
    try:
        [entry] = (await store.read(databases[0], [])).crons
        firing = Firing(cron=entry, tick=NOON, jobs=[job(scheduled_at=NOON)])

        async def fire(each: Database) -> None:
            fired.extend((await store.fire(each, [firing], limit=1000)).values())

        async with anyio.create_task_group() as tasks:
            for each in databases:
                tasks.start_soon(fire, each)
    finally:
        for each in databases:
            await each.close()
    assert len(fired) == 1
    assert await ticks(database) == ["12:00"]


async def test_46_a_minute_is_evaluated_once_after_a_backward_clock_step(database: str) -> None:
    async with Database(database, "baton") as opened:
        here = scheduler(opened)
        await here.look(NOON - MINUTE)
        for minutes in (0, 1, -3, -1, 0, 2, 5, 4, 5):
            await here.look(NOON + timedelta(minutes=minutes))
        # a process that starts while the clock is behind
        await scheduler(opened).look(NOON)
    assert await ticks(database) == ["12:00", "12:05"]


async def test_a_claim_with_an_older_tick_is_refused_by_the_row(database: str) -> None:
    await add(database, "w", "*/5 * * * *", last_tick_at=NOON)
    async with Database(database, "baton") as opened:
        [entry] = (await store.read(opened, [])).crons
        for tick in (NOON, NOON - 5 * MINUTE):
            firing = Firing(cron=entry, tick=tick, jobs=[job()])
            assert await store.fire(opened, [firing], limit=1000) == {}
    assert await ticks(database) == []


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [("none", []), ("latest", ["12:00"]), (3, ["11:50", "11:55", "12:00"])],
)
async def test_what_nobody_was_there_for_is_made_up_for_as_the_entry_says(
    database: str, catch_up: Any, expected: list[str]
) -> None:
    async with Database(database, "baton") as opened:
        here = scheduler(opened, program(catch_up=catch_up))
        await here.look(NOON - timedelta(hours=3))
        await here.look(NOON + 2 * MINUTE)
        assert await ticks(database) == expected
        # also where nothing was inserted, the past is dealt with
        assert await value(database, "select last_tick_at from baton.crons") == NOON
        await here.look(NOON + 3 * MINUTE)
    assert await ticks(database) == expected


async def test_ticks_before_an_entry_was_there_are_none_of_its(database: str) -> None:
    async with Database(database, "baton") as opened:
        here = scheduler(opened, program(catch_up=100))
        await here.look(NOON + 3 * MINUTE)
        await here.look(NOON + 4 * MINUTE)
    assert await ticks(database) == []


async def test_an_entry_whose_times_change_begins_anew(database: str) -> None:
    async with Database(database, "baton") as opened:
        await scheduler(opened, program(catch_up=100)).look(NOON)
        changed = program(catch_up=100, cron="*/2 * * * *")
        await scheduler(opened, changed).look(NOON + timedelta(minutes=31))
        assert await ticks(database) == []
        await scheduler(opened, changed).look(NOON + timedelta(minutes=32))
    assert await ticks(database) == ["12:32"]


async def test_a_pause_survives_the_start_of_processes_and_skips_its_ticks(database: str) -> None:
    async with Database(database, "baton") as opened, Client(database) as client:
        await scheduler(opened).look()
        await client.crons.pause("w", by="ops")
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        await set_last_tick(database, hour_ago)
        changed = program(cron="* * * * *", catch_up=100)
        await scheduler(opened, changed).look()
        entry = await client.crons.get("w")
        assert (entry.expression, entry.paused_by) == ("* * * * *", "ops")
        assert entry.paused_at is not None
        assert await ticks(database) == []
        await set_last_tick(database, hour_ago)
        resumed = await client.crons.resume("w")
        assert resumed.paused_at is None
        await scheduler(opened, changed).look()
        # the minute may turn while the test runs; the ticks of the hour before are skipped
        assert len(await ticks(database)) <= 1


async def test_an_entry_that_the_program_no_longer_registers_is_not_fired_by_it(
    database: str,
) -> None:
    async with Database(database, "baton") as opened:
        old, new = scheduler(opened), scheduler(opened, Registry())
        await old.look(NOON - MINUTE)
        await new.look(NOON)
        assert await ticks(database) == []
        await old.look(NOON)
    assert await ticks(database) == ["12:00"]


async def test_entries_of_the_database_are_fired_by_every_process(database: str) -> None:
    await add(database, "theirs", "*/5 * * * *", options='{"queue": "mail", "priority": 2}')
    async with Database(database, "baton") as opened:
        stranger = scheduler(opened, Registry())
        await set_last_tick(database, NOON - MINUTE, "theirs")
        assert 5 < await stranger.look(NOON - 10 * timedelta(seconds=1)) <= 15
        # those who know the worker, and so its options, have a head start
        assert 0 < await stranger.look(NOON) <= 5
        assert await ticks(database) == []
        await stranger.look(NOON + timedelta(seconds=5))
    assert await rows(database, "select queue, priority from baton.jobs") == [("mail", 2)]


async def test_a_process_that_knows_the_worker_uses_its_options(database: str) -> None:
    await add(database, "theirs", "*/5 * * * *", options='{"priority": 2}')
    async with Database(database, "baton") as opened:
        registry = Registry()

        @registry.worker(name="w", queue="mail", priority=7, meta={"own": True})
        async def nothing(_job: Job) -> None: ...

        await set_last_tick(database, NOON - MINUTE, "theirs")
        await scheduler(opened, registry).look(NOON)
    [(queue, priority, meta)] = await rows(database, "select queue, priority, meta from baton.jobs")
    assert (queue, priority, meta["own"], meta["cron_name"]) == ("mail", 2, True, "theirs")


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("no expression", {}),
    ("*/5 * * * *", {"timezone": "Mars/Olympus"}),
    ("*/5 * * * *", {"options": '{"priority": 77}'}),
    ("*/5 * * * *", {"options": '{"tags": 5}'}),
    ("*/5 * * * *", {"options": '{"meta": "text"}'}),
    ("*/5 * * * *", {"options": '{"timeout": []}'}),
    ("*/5 * * * *", {"options": '{"unheard": 1}'}),
    ("*/5 * * * *", {"args": '{"unknown": 1}'}),
]


async def test_a_broken_entry_never_stops_the_others(database: str) -> None:
    for number, (expression, columns) in enumerate(BROKEN):
        await add(database, f"broken {number}", expression, last_tick_at=NOON - MINUTE, **columns)
    await add(database, "z", "*/5 * * * *", last_tick_at=NOON - MINUTE)
    async with Database(database, "baton") as opened, Client(database) as client:
        here = scheduler(opened)
        await here.look(NOON - MINUTE)
        await here.look(NOON)
        found = {entry.name: entry.problem for entry in await client.crons.list()}
    assert await ticks(database) == ["12:00", "12:00"]  # of w and z
    assert found["z"] is None
    assert found["broken 0"] is not None
    assert found["broken 1"] is not None


async def test_a_job_that_cannot_be_stored_does_not_keep_the_others_from_it(database: str) -> None:
    await add(database, "big", "*/5 * * * *", args='{"x": "%s"}' % ("x" * 2000), worker="other")
    await add(database, "small", "*/5 * * * *", worker="other")
    for name in ("big", "small"):
        await set_last_tick(database, NOON - MINUTE, name)
    async with Database(database, "baton") as opened:
        await Scheduler(opened, Registry(), limit=1000).look(NOON + timedelta(seconds=6))
    assert await rows(database, "select meta ->> 'cron_name' from baton.jobs") == [("small",)]


async def test_an_entry_that_somebody_holds_is_fired_once_it_is_free(database: str) -> None:
    await add(database, "free", "*/5 * * * *", last_tick_at=NOON - MINUTE)
    async with Database(database, "baton") as opened, connection(database) as holder:
        here = scheduler(opened)
        await here.look(NOON - MINUTE)
        async with holder.transaction():
            await holder.execute("select from baton.crons where name = 'w' for update")
            assert await here.look(NOON) <= 1
            assert await ticks(database) == ["12:00"]
        await here.look(NOON)
    assert await ticks(database) == ["12:00", "12:00"]


async def test_41_to_43_no_process_is_needed_for_the_others_to_fire(database: str) -> None:
    """There is no leader: one fires each tick, and when it is gone the next one does, at once."""
    await add(database, "w", "*/5 * * * *", last_tick_at=NOON - MINUTE)
    async with Database(database, "baton") as opened:
        stays = scheduler(opened)
        async with Database(database, "baton") as other:
            await scheduler(other).look(NOON)
            await stays.look(NOON)
            assert await ticks(database) == ["12:00"]
        await stays.look(NOON + 5 * MINUTE)
        assert await ticks(database) == ["12:00", "12:05"]
        # one that dies after its claim and before its commit leaves the tick to the others
        async with connection(database) as dies:
            await dies.execute("begin")
            await dies.execute("update baton.crons set last_tick_at = now()")
            await dies.close()

        async def fired() -> bool:  # once the server has noticed
            await stays.look(NOON + 10 * MINUTE)
            return len(await ticks(database)) == 3

        await until(fired)
    assert await ticks(database) == ["12:00", "12:05", "12:10"]


async def test_44_reboot_fires_once_for_each_restart_of_the_whole_fleet(database: str) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="@reboot")
    async def nothing(_job: Job) -> None: ...

    count = "select count(*) from baton.jobs"
    async with Database(database, "baton") as opened:
        async with process(database), process(database), process(database):
            fleet = [scheduler(opened, registry) for _ in range(3)]
            async with anyio.create_task_group() as tasks:
                for each in fleet:
                    tasks.start_soon(each.look)
            for each in fleet:
                await each.look()
            assert await value(database, count) == 1
            async with process(database):  # one more: the others have not been restarted
                late = scheduler(opened, registry)
                await late.look()
                assert await value(database, count) == 1
        await rows(database, "delete from baton.leases returning id")
        async with process(database):  # all were stopped, and one is started
            again = scheduler(opened, registry)
            await again.look()
            await again.look()
            assert await value(database, count) == 2


async def test_44_reboot_fires_in_a_rolling_restart_once_the_last_old_process_is_gone(
    database: str,
) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="@reboot")
    async def nothing(_job: Job) -> None: ...

    count = "select count(*) from baton.jobs"
    async with Database(database, "baton") as opened:
        async with process(database) as old:
            await scheduler(opened, registry).look()
            assert await value(database, count) == 1
            await pass_time(database, "31 s")
            async with process(database):
                new = scheduler(opened, registry)
                await new.look()
                assert await value(database, count) == 1
                old.lease_connection.release(old.lease)
                await new.look()
                await new.look()
    assert await value(database, count) == 2


async def test_44_reboot_does_not_fire_when_those_who_were_started_first_end_first(
    database: str,
) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="@reboot")
    async def nothing(_job: Job) -> None: ...

    async with Database(database, "baton") as opened:
        async with process(database) as first:
            await scheduler(opened, registry).look()
            await pass_time(database, "9 s")
            async with process(database):
                second = scheduler(opened, registry)
                await second.look()
                await pass_time(database, "1 hour")
                first.lease_connection.release(first.lease)
                await second.look()
    assert await value(database, "select count(*) from baton.jobs") == 1


async def test_44_reboot_does_not_fire_in_a_process_that_is_about_to_end(database: str) -> None:
    registry = Registry()

    @registry.worker(name="w", cron="@reboot")
    async def nothing(_job: Job) -> None: ...

    stopping = True
    async with Database(database, "baton") as opened, process(database):
        here = Scheduler(opened, registry, limit=1_000_000, stopping=lambda: stopping)
        await here.look()
        assert await value(database, "select count(*) from baton.jobs") == 0
        stopping = False
        await here.look()
        assert await value(database, "select count(*) from baton.jobs") == 1


async def pass_time(database: str, interval: str) -> None:
    """Have the last tick, and the starts of processes, be that much longer ago."""
    ticks = "update baton.crons set last_tick_at = last_tick_at - %s::interval returning name"
    starts = "update baton.leases set started_at = started_at - %s::interval returning id"
    await rows(database, ticks, interval)
    await rows(database, starts, interval)


async def test_a_paused_reboot_is_skipped(database: str) -> None:
    await add(database, "start", "@reboot", worker="w")
    async with Database(database, "baton") as opened, Client(database) as client:
        await client.crons.pause("start")
        async with process(database):
            here = scheduler(opened, Registry())
            await here.look()
            await client.crons.resume("start")
            await here.look()
    assert await value(database, "select count(*) from baton.jobs") == 0


async def test_code_leaves_an_entry_of_people_with_its_name_alone(database: str) -> None:
    await add(database, "w", "0 0 * * *", args='{"mine": 1}')
    async with Database(database, "baton") as opened:
        await scheduler(opened).look(NOON)
    found = await rows(database, "select source, expression, args from baton.crons")
    assert found == [("database", "0 0 * * *", {"mine": 1})]


async def test_many_processes_register_the_same_entries_at_once(database: str) -> None:
    databases = [Database(database, "baton") for _ in range(10)]
    registry = program()
    for number in range(20):
        registry.cron("w", "@daily", name=f"entry {number}")
    try:
        async with anyio.create_task_group() as tasks:
            for each in databases:
                tasks.start_soon(store.register, each, registry.crons)
    finally:
        for each in databases:
            await each.close()
    assert await value(database, "select count(*) from baton.crons where source = 'code'") == 21
