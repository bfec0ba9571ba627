"""Hooks around inserts and attempts, from a client through the database to a node."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import anyio
import pytest

from baton import Client, Job, NewJob, Registry, SyncClient, Telemetry, Workflow, resource
from baton.errors import InvalidHook, InvalidJob
from baton.node import Node
from tests.services.conftest import Limits
from tests.services.test_node import all_final, running, settings_for, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

tenant: ContextVar[str] = ContextVar("tenant")


async def test_context_travels_from_the_insert_to_the_attempt_and_on_to_its_children(
    database: str,
) -> None:
    registry = Registry()
    registry.carry(tenant)
    seen: list[tuple[str, str]] = []

    @registry.worker()
    async def child(_job: Job) -> None:
        seen.append(("child", tenant.get()))

    @registry.worker()
    async def parent(_job: Job) -> None:
        seen.append(("parent", tenant.get()))
        await child.insert()

    @registry.worker()
    def step(_job: Job) -> None:
        seen.append(("step", tenant.get()))
        child.insert_sync()

    async with running(database, registry) as (_, _client):
        async with Client(settings=settings_for(database), registry=registry) as client:
            token = tenant.set("acme")
            await client.insert(parent.new())
            await client.insert_workflow(Workflow().add("step", step.new()))
            tenant.reset(token)
        await until(all_final(database))
    assert sorted(seen) == [(name, "acme") for name in ("child", "child", "parent", "step")]
    metas = await rows(database, "select distinct meta -> 'context' from baton.jobs")
    assert metas == [({"tenant": "acme"},)]


async def test_a_check_before_an_insert_changes_jobs_or_refuses_them(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def work(_job: Job, amount: int) -> None: ...

    @registry.before_insert
    def stamp(job: NewJob) -> NewJob:
        if job.args["amount"] > 100:
            raise InvalidJob("too much")
        return replace(job, meta={**job.meta, "stamped": True})

    settings = settings_for(database)
    async with Client(settings=settings, registry=registry) as client:
        job = await client.insert(work.new(amount=1))
        assert job.meta == {"stamped": True}
        await client.insert_workflow(Workflow().add("a", work.new(amount=2)))
        with pytest.raises(InvalidJob, match="too much"):
            await client.insert_all([work.new(amount=3), work.new(amount=101)])
    with SyncClient(settings=settings, registry=registry) as sync_client:
        assert sync_client.insert(work.new(amount=4)).meta == {"stamped": True}
    stamped = "select count(*) from baton.jobs where meta @> '{\"stamped\": true}'"
    assert await value(database, stamped) == 3

    registry.before_insert(lambda _job: None)  # type: ignore[arg-type,return-value]
    async with Client(settings=settings, registry=registry) as client:
        with pytest.raises(InvalidHook, match="must return the job, not None"):
            await client.insert(work.new(amount=1))


async def test_resources_live_as_long_as_the_process(database: str) -> None:
    registry = Registry()
    order: list[str] = []

    @registry.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[dict[str, Any]]:
        order.append("opened")
        yield {"db": order}
        order.append("closed")

    @registry.worker()
    async def coroutine(_job: Job, db: list[str] = resource("db")) -> None:
        db.append("used")

    @registry.worker()
    def plain(_job: Job, db: list[str] = resource("db")) -> None:
        db.append("used")

    async with running(database, registry) as (_, client):
        await client.insert_all([coroutine.new(), plain.new()])
        await until(all_final(database))
    assert order == ["opened", "used", "used", "closed"]


async def test_a_lifespan_that_fails_keeps_the_process_from_starting(database: str) -> None:
    registry = Registry()

    @registry.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        raise ConnectionError("no cache")
        yield

    with pytest.raises(ConnectionError, match="no cache"):
        await Node(settings_for(database), registry).run()
    assert await value(database, "select count(*) from baton.leases") == 0


async def test_a_thread_that_is_given_up_keeps_its_slot_until_it_ends(
    database: str, limits: Limits
) -> None:
    registry = Registry()
    begun, may_end = threading.Event(), threading.Event()
    ran: list[str] = []

    @registry.worker(timeout=60, max_attempts=1)
    def blocks(_job: Job) -> None:
        begun.set()
        may_end.wait(120)
        ran.append("blocks")

    @registry.worker()
    async def next_one(_job: Job) -> None:
        ran.append("next")

    async def discarded() -> Any:
        query = "select count(*) = 1 from baton.jobs where state = 'discarded'"
        return await value(database, query)

    async with running(database, registry, queues=["default=1"], grace=5) as (_, client):
        await client.insert(blocks.new())
        await client.insert(next_one.new())
        assert await anyio.to_thread.run_sync(begun.wait, 60)
        limits.are_over()
        await until(discarded)
        may_end.set()
        await until(all_final(database))
    assert ran == ["blocks", "next"]


async def test_cycles_duties_and_inserts_are_told_as_telemetry(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def work(_job: Job) -> None: ...

    heard: list[tuple[str, Any]] = []
    wanted = ["baton.queue.*", "baton.plugin.*", "baton.insert.*"]
    Telemetry.attach("test", wanted, lambda event, numbers, _: heard.append((event, numbers)))
    try:
        async with running(database, registry) as (_, client):
            await client.insert_all([work.new(), work.new()])
            await until(all_final(database))
    finally:
        Telemetry.detach("test")
    events = {event for event, _ in heard}
    assert {"baton.queue.start", "baton.queue.stop", "baton.plugin.stop"} <= events
    assert [numbers["count"] for event, numbers in heard if event == "baton.insert.stop"] == [2]
    assert sum(numbers["count"] for event, numbers in heard if event == "baton.queue.stop") == 2
