"""The server's queue of notifications is full: nobody can be told of anything, and all goes on.

Some session listens in a transaction that it does not end.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
import psycopg
import pytest
from psycopg import AsyncConnection
from structlog.testing import capture_logs

from baton import Client, Job, SyncClient, Unique, Workflow
from tests.e2e.commands import invoke
from tests.services.test_node import all_final, running, until
from tests.services.test_trouble import Jobs, OwnServer, own, own_database
from tests.support import connection, job

pytestmark = pytest.mark.anyio

__all__ = ["own", "own_database"]


async def fill_notifications(conn: AsyncConnection[Any], share: float) -> None:
    """Notify until the queue is full to a share, or until nothing fits any more."""
    usage = 0.0
    while usage < share:
        await conn.execute("select pg_notify('stranger', repeat('x', 7000) || random())")
        [usage] = await (await conn.execute("select pg_notification_queue_usage()")).fetchone() or [
            1
        ]


async def test_a_queue_of_notifications_that_is_nearly_full_holds_nobody_up(
    own: OwnServer, own_database: str
) -> None:
    """Some listener holds a transaction open; steps are not told of, everything else goes on."""
    jobs = Jobs()
    jobs.told.set()
    async with connection(own.dsn()) as listener, connection(own_database) as stranger:
        await listener.execute("listen stranger")
        await listener.execute("begin; select 1")
        await fill_notifications(stranger, 0.95)
        with capture_logs() as logs:
            async with running(own_database, jobs.registry) as (_, client):
                flow = Workflow()
                for step in range(30):
                    flow.add(f"s{step}", job("count"), deps=[f"s{step - 1}"] if step else [])
                await client.insert_workflow(flow)
                await until(all_final(own_database))
        assert not [each for each in logs if each["log_level"] in {"warning", "error"}]


async def test_a_queue_of_notifications_that_is_full(own: OwnServer, own_database: str) -> None:
    """Nobody can be told of anything, so everything is found by looking; nothing is refused."""
    jobs = Jobs()
    retried = anyio.Event()

    @jobs.registry.worker(name="fail once", backoff=lambda *_: 0.2)
    async def fail_once(job: Job) -> None:
        if job.attempt == 1:
            retried.set()
            raise RuntimeError("on purpose")

    async with connection(own_database) as stranger:
        with capture_logs() as logs:
            async with running(own_database, jobs.registry) as (_, client):
                await client.insert_workflow(Workflow().add("hold", job("hold")))
                await jobs.holding.wait()
                async with connection(own.dsn()) as listener:
                    await listener.execute("listen stranger")
                    await listener.execute("begin; select 1")
                    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
                        await fill_notifications(stranger, 2)
                    await insert_in_every_way(client)
                    await anyio.to_thread.run_sync(check_doctor, own.dsn(name_of(own_database)))
                    await retried.wait()
                    jobs.told.set()
                    await until(all_final(own_database))
                    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
                        await fill_notifications(stranger, 2)  # it was full all the time
                await until(emptied(stranger))
                await client.insert(job("count"))
                await until(all_final(own_database))
        loud = [each["event"] for each in logs if each["log_level"] in {"warning", "error"}]
        assert set(loud) <= {"job.failed"}
    assert len(jobs.performed) == 1_009
    assert set(jobs.performed.values()) == {1}


def name_of(database: str) -> str:
    return urlsplit(database).path.removeprefix("/")


def check_doctor(database: str) -> None:
    ended = invoke("doctor", "--only", "notifications", "--json", dsn=database)
    [found] = json.loads(ended.stdout)["findings"]
    assert found["severity"] == "warning"
    assert found["facts"]["usage"] > 0.9


async def insert_in_every_way(client: Client) -> None:
    await client.insert(job("count"))
    await client.insert(job("count", priority=1))
    await client.insert(job("count", schedule_in=0.1))
    await client.insert(job("count", unique=Unique()))
    await client.insert(job("fail once"))
    await client.insert_many(job("count") for _ in range(1_000))
    flow = Workflow().add("a", job("count")).add("b", job("count"), deps=["a"])
    await client.insert_workflow(flow)
    await client.queues.scale("default", 9)
    with SyncClient(settings=client.settings) as sync_client:
        await anyio.to_thread.run_sync(sync_client.insert, job("count"))


def emptied(conn: AsyncConnection[Any]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        found = await (await conn.execute("select pg_notification_queue_usage()")).fetchone()
        return found is not None and found[0] < 0.1

    return check
