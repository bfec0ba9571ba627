"""What processes say to each other: who listens, for how long, and what nonsense does."""

from functools import partial

import anyio
import pytest

from baton import Job, Registry
from baton.services.notifier import Notifier
from tests.services.test_node import all_final, running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

LISTENERS = """
  select array_agg(pid) from pg_stat_activity
  where datname = current_database() and application_name = 'baton listen'
    and state = 'idle' and query like 'listen%control%'
"""
SAY = "select pg_notify(%s, %s)"
NONSENSE = (
    "",
    " ",
    "due",
    "due nonsense",
    "due nan",
    "due -1",
    "cancel x",
    "cancel 99999999999999999999999",
    "queues {",
    "crons \\",
    "nobody knows this word",
    "ünïcödé \U0001f600",
    "line\nbreak",
    "'; drop table baton.jobs; --",
    "x" * 7_999,
)


async def listens_again(database: str, lost: int) -> bool:
    return lost not in (await value(database, LISTENERS) or [lost])


async def test_listeners_subscribe_again_after_the_connection_was_lost_and_are_really_woken(
    database: str,
) -> None:
    registry = Registry()

    @registry.worker()
    async def nothing(_job: Job) -> None: ...

    # what is not announced would wait for an hour
    async with running(database, registry, poll_interval=3_600) as (_, client):
        for _ in range(2):
            [lost] = await value(database, LISTENERS)
            await rows(database, "select pg_terminate_backend(%s)", lost)
            await until(partial(listens_again, database, lost))
            for _ in range(3):  # the first might be found by the look after the gap
                await client.insert(nothing.new())
                await until(all_final(database))


async def test_what_was_said_while_nobody_listened_is_caught_up_with(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def nothing(_job: Job) -> None: ...

    async with running(database, registry, poll_interval=3_600):
        # nobody is told of this job, as if its notification had been lost
        insert = "insert into baton.jobs (worker) values (%s) returning id"
        await rows(database, insert, nothing.new().worker)
        [lost] = await value(database, LISTENERS)
        await rows(database, "select pg_terminate_backend(%s)", lost)
        await until(all_final(database))


async def test_everybody_is_to_look_before_anything_else_is_heard_after_a_gap(
    database: str,
) -> None:
    """A worker that still looks for the first time could find what nobody was told."""
    heard: list[str] = []
    notifier = Notifier(
        database,
        "baton",
        timeout=30,
        wake=lambda queue: heard.append(f"jobs of {queue or 'any queue'}"),
        controls={"due": lambda particulars: heard.append(particulars or "whatever is due")},
    )
    looks = ["jobs of any queue", "whatever is due"]
    async with anyio.create_task_group() as tasks:
        await tasks.start(notifier.run)
        [lost] = await value(database, LISTENERS)
        await rows(database, "select pg_terminate_backend(%s)", lost)
        await until(partial(listens_again, database, lost))
        await rows(database, SAY, "baton.control", "due last")

        async def heard_all() -> bool:
            return "last" in heard

        await until(heard_all)
        tasks.cancel_scope.cancel()
    assert heard == [*looks, *looks, "last"]


async def test_a_callback_that_raises_does_not_break_the_notifier(database: str) -> None:
    heard: list[str] = []
    complete = anyio.Event()

    def raises(particulars: str) -> None:
        raise ValueError(particulars)

    def hears(particulars: str) -> None:
        heard.append(particulars)
        if particulars == "last":
            complete.set()

    def wakes(queue: str | None) -> None:
        if queue == "unlucky":
            raise RuntimeError(queue)

    notifier = Notifier(
        database,
        "baton",
        timeout=30,
        wake=wakes,
        controls={"broken": raises, "sound": hears},
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(notifier.run)
        for channel, payload in (
            ("baton.control", "broken by this"),
            ("baton.control", "sound first"),
            ("baton.jobs", "unlucky"),
            ("baton.control", "sound last"),
        ):
            await rows(database, SAY, channel, payload)
        with anyio.fail_after(60):
            await complete.wait()
        tasks.cancel_scope.cancel()
    assert heard == ["", "first", "last"]  # the empty one is the look after the gap


async def test_malformed_notifications_of_a_stranger_break_nothing(database: str) -> None:
    registry = Registry()
    release = anyio.Event()

    @registry.worker()
    async def waits(_job: Job) -> None:
        await release.wait()

    async with running(database, registry, poll_interval=3_600) as (_, client):
        await client.insert(waits.new())
        for channel in ("baton.jobs", "baton.control"):
            for payload in NONSENSE:
                await rows(database, SAY, channel, payload)
        await client.insert(waits.new())
        query = "select count(*) from baton.jobs where state = 'executing'"

        async def both_run() -> bool:
            return int(await value(database, query)) == 2

        await until(both_run)
        release.set()
        await until(all_final(database))
    assert await value(database, "select count(*) from baton.jobs where state = 'completed'") == 2
