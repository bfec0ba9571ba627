"""Subscriptions: what a program hears, in which order, and what is left of them."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import pytest

from baton import (
    Client,
    Events,
    Registry,
    Resumed,
    StepUpdated,
    Workflow,
    WorkflowFinished,
)
from baton.ambient import ambient
from baton.client import SyncClient
from baton.errors import CannotListen, ConfigurationError, DatabaseUnavailable, NotFound
from baton.settings import load
from tests.services.pages import CUT, LISTENERS, Page, flow_of, listening, registry
from tests.services.test_node import finished, running, until
from tests.support import connection, job, process, rows, value

__all__ = ["registry"]

pytestmark = pytest.mark.anyio


async def test_a_page_that_comes_late_is_seeded_and_goes_on_without_a_gap(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("works", []), b=("works", ["a"]))
    page = Page()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [first] = await worker.fetch()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                page.read, client.events.subscribe_workflow(flow.workflow_id, seed=True)
            )
            await until(page.has(("a", "executing"), ("b", "suspended")))
            [second] = await worker.complete(first, capacity=1)
            await worker.complete(second)
            with anyio.fail_after(60):
                await page.ended.wait()
    seeds = [e for e in page.events if e.seeded]
    assert [(e.step_name, e.state) for e in seeds] == [("a", "executing"), ("b", "suspended")]
    assert page.said[2:] == [("a", "completed"), ("b", "executing"), ("b", "completed")]
    assert page.events[-1].outcome == "completed"


async def test_a_finished_workflow_is_seeded_whole_and_the_subscription_ends(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("works", []), b=("gives_up", ["a"]), c=("works", ["b"]))
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
        found = [
            e async for e in client.events.subscribe_workflow(str(flow.workflow_id), seed=True)
        ]
    assert [getattr(e, "state", None) for e in found] == [
        "completed",
        "discarded",
        "cancelled",
        None,
    ]
    assert all(e.seeded for e in found)
    assert found[-1].failed_steps == ("b", "c")


async def test_what_was_published_before_the_look_is_not_told_after_it(database: str) -> None:
    """The events of a step arrive while its state is read, and are older than what is read."""
    flow = Workflow("flow").add("a", job()).add("b", job(), deps=["a"])
    page = Page()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        async with connection(database) as holder, anyio.create_task_group() as tasks:
            async with holder.transaction():
                # the look waits for this
                await holder.execute("lock table baton.workflows in access exclusive mode")
                tasks.start_soon(
                    page.read, client.events.subscribe_workflow(flow.workflow_id, seed=True)
                )
                await listening(database)
                old = {
                    "event": "workflow_step_updated",
                    "schema": "baton",
                    "transaction": 3,
                    "workflow_id": str(flow.workflow_id),
                    "workflow_label": "flow",
                    "step_name": "a",
                    "state": "retryable",
                    "skipped": False,
                    "job_id": 1,
                    "epoch": 0,
                    "worker": "w",
                    "attempt": 1,
                    "has_result": False,
                    "error": None,
                    "timestamp": "2026-01-01T00:00:00+00:00",
                }
                channel = f"workflow:{flow.workflow_id}"
                await rows(database, "select pg_notify(%s, %s)", channel, json.dumps([old]))
            [first] = await worker.fetch()
            [second] = await worker.complete(first, capacity=1)
            await worker.complete(second)
            with anyio.fail_after(60):
                await page.ended.wait()
    assert ("a", "retryable") not in page.said
    assert page.states == {"a": "completed", "b": "completed"}


async def test_the_last_word_about_a_step_is_never_an_older_one(database: str) -> None:
    """The end of an attempt is published when somebody else has claimed the step again."""
    flow = Workflow("flow").add("a", job())
    page = Page()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
            await listening(database)
            [first] = await worker.fetch()
            await until(page.has(("a", "executing")))
            late = {**page.events[0].payload, "state": "retryable", "epoch": first.epoch - 1}
            channel = f"workflow:{flow.workflow_id}"
            await rows(database, "select pg_notify(%s, %s)", channel, json.dumps([late]))
            await worker.complete(first)
            with anyio.fail_after(60):
                await page.ended.wait()
    assert page.said == [("a", "executing"), ("a", "completed")]


async def test_the_end_of_a_step_that_comes_after_that_of_its_workflow_is_told_before(
    database: str,
) -> None:
    """One process acknowledged a step and died, and another finishes the workflow."""
    flow = Workflow("flow").add("a", job()).add("b", job())
    page = Page()
    async with Client(database) as client, process(database) as one, process(database) as two:
        await client.insert_workflow(flow)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
            await listening(database)
            [first], [second] = await one.fetch(), await two.fetch()
            query = """
              select accepted from baton.finish_jobs(
                %s, array[%s::bigint], array[%s::bigint], '{completed}', '{0}', '{f}',
                array[null::text], array[null::text], '{t}'
              )
            """
            await rows(database, query, one.lease, first.id, first.epoch)  # and then it dies
            await two.complete(second)
            with anyio.fail_after(60):
                await page.ended.wait()
    assert page.states == {"a": "completed", "b": "completed"}
    assert isinstance(page.events[-1], WorkflowFinished)


async def test_a_lost_connection_is_noticed_and_nothing_is_missed_silently(
    database: str,
) -> None:
    flow = Workflow("flow").add("a", job()).add("b", job(), deps=["a"])
    seeded, plain = Page(), Page()
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        async with anyio.create_task_group() as tasks:
            follow = client.events.subscribe_workflow
            tasks.start_soon(seeded.read, follow(flow.workflow_id, seed=True))
            tasks.start_soon(plain.read, follow(flow.workflow_id))
            await seeded.begun.wait()
            await listening(database)
            [first] = await worker.fetch()
            await until(seeded.has(("a", "executing")))
            await until(plain.has(("a", "executing")))
            async with connection(database) as other:
                # this can't be heard by anybody: it commits with the end of the connection
                async with other.transaction():
                    await other.execute(CUT.encode())
                await worker.complete(first)

                async def both_resumed() -> bool:
                    return all(
                        Resumed(reason="reconnected") in page.events for page in (seeded, plain)
                    )

                await until(both_resumed)
            [second] = await worker.fetch()
            await worker.complete(second)
            with anyio.fail_after(60):
                await seeded.ended.wait()
                await plain.ended.wait()
    assert seeded.states == plain.states == {"a": "completed", "b": "completed"}
    after = seeded.events[seeded.events.index(Resumed(reason="reconnected")) + 1 :]
    # the workflow may have finished before its state was read again
    steps = [e for e in after if isinstance(e, StepUpdated) and e.seeded]
    assert [e.step_name for e in steps] == ["a", "b"]


async def test_all_subscriptions_of_a_client_share_a_connection_and_leave_none(
    database: str,
) -> None:
    flows = [Workflow("flow").add("a", job()) for _ in range(3)]
    pages = [Page() for _ in range(6)]
    everything = Page()
    async with Client(database) as client, process(database) as worker:
        async with anyio.create_task_group() as tasks:
            for index, page in enumerate(pages):
                id_ = flows[index % 3].workflow_id
                tasks.start_soon(page.read, client.events.subscribe_workflow(id_, seed=True))
            tasks.start_soon(everything.read, client.events.subscribe_all())
            for flow in flows:
                await client.insert_workflow(flow)

            async def all_channels() -> bool:
                return len(client.events.channels) == 4

            await until(all_channels)
            assert await value(database, LISTENERS) == 1
            await worker.run_all()
            with anyio.fail_after(60):
                for page in pages:
                    await page.ended.wait()

            async def three_ends() -> bool:
                return sum(isinstance(e, WorkflowFinished) for e in everything.events) == 3

            await until(three_ends)

            async def one_channel() -> bool:
                return client.events.channels == {"workflow:all"}

            await until(one_channel)
            tasks.cancel_scope.cancel()

        async def nobody() -> bool:
            return int(await value(database, LISTENERS)) == 0

        await until(nobody)
    assert all(page.states == {"a": "completed"} for page in pages)
    assert {e.workflow_id for e in everything.events} == {flow.workflow_id for flow in flows}


async def test_breaking_out_of_the_loop_frees_everything(database: str) -> None:
    flow = Workflow("flow").add("a", job())
    async with Client(database) as client:
        await client.insert_workflow(flow)
        async for event in client.events.subscribe_workflow(flow.workflow_id, seed=True):
            assert event
            break

        async def nobody() -> bool:
            return int(await value(database, LISTENERS)) == 0

        await until(nobody)


async def test_a_slow_consumer_gets_the_newest_of_each_step_and_holds_up_nobody(
    database: str,
) -> None:
    flow = Workflow("flow")
    for index in range(20):
        flow.add(f"s{index}", job())
    quick, slow = Page(), []
    async with Client(database) as client, process(database) as worker:
        follow = client.events.subscribe_workflow
        async with aclosing(follow(flow.workflow_id, seed=True, buffer=8)) as events:
            await client.insert_workflow(flow)
            slow.append(await anext(events))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(quick.read, follow(flow.workflow_id, seed=True))
                await quick.begun.wait()
                await worker.run_all()
                with anyio.fail_after(60):
                    await quick.ended.wait()
            slow += [event async for event in events]
    assert Resumed(reason="overflowed") in slow
    newest = {e.step_name: e.state for e in slow if isinstance(e, StepUpdated)}
    assert newest == quick.states == {f"s{index}": "completed" for index in range(20)}
    assert isinstance(slow[-1], WorkflowFinished)


async def test_a_retried_workflow_goes_on_for_those_who_follow(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("works", []))
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        tasks.start_soon(
            page.read, client.events.subscribe_workflow(flow.workflow_id, seed=True, follow=True)
        )
        await listening(database)
        [inserted] = await client.insert_workflow(flow)

        def ends(count: int) -> Callable[[], Any]:
            async def check() -> bool:
                return sum(isinstance(e, WorkflowFinished) for e in page.events) == count

            return check

        await until(ends(1))
        await client.retry_job(inserted.id)
        await until(ends(2))
        tasks.cancel_scope.cancel()
    assert page.said[-2:] == [("a", "executing"), ("a", "completed")]


async def test_the_default_client_subscribes_too(database: str, registry: Registry) -> None:
    flow = flow_of(a=("works", []))
    page = Page()
    async with running(database, registry) as (_, client):
        with ambient.using(client, SyncClient(settings=client.settings)):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(page.read, Events.subscribe_workflow(flow.workflow_id, seed=True))
                await listening(database)
                await flow.insert()
                with anyio.fail_after(60):
                    await page.ended.wait()
    assert page.states == {"a": "completed"}


async def test_where_nothing_can_listen_it_says_what_to_set(database: str) -> None:
    async with Client(settings=load(dsn=database, no_listen=True)) as client:
        with pytest.raises(CannotListen, match="set listen_dsn"):
            await anext(client.events.subscribe_all())
        with pytest.raises(NotFound, match="there is no workflow 0f6c"):
            await anext(client.events.subscribe_workflow("0f6c"))
        with pytest.raises(ConfigurationError, match="buffer must be a number from 2 on, not 1"):
            await anext(client.events.subscribe_all(buffer=1))


async def test_who_subscribes_first_is_told_that_there_is_no_database() -> None:
    async with contextless("postgresql://127.0.0.1:1/nowhere") as client:
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await anext(client.events.subscribe_all())


@asynccontextmanager
async def contextless(dsn: str) -> AsyncIterator[Client]:
    """A client that is not opened, and closed in the end."""
    client = Client(dsn)
    try:
        yield client
    finally:
        await client.close()


async def test_closing_the_client_ends_its_subscriptions(database: str) -> None:
    page = Page()
    async with anyio.create_task_group() as tasks:
        async with Client(database) as client:
            tasks.start_soon(page.read, client.events.subscribe_workflow(uuid4()))
            await listening(database)
        with anyio.fail_after(60):
            await page.ended.wait()

    async def nobody() -> bool:
        return int(await value(database, LISTENERS)) == 0

    await until(nobody)  # the server hears of the end of a connection a moment later


PROGRAM = """
import asyncio
import sys
from baton import Client, Events

async def page(events):
    async for event in events:
        print(event.state, flush=True)

async def main():
    pages = [page(Events.subscribe_workflow(sys.argv[1], seed=True)) for _ in range(3)]
    tasks = [asyncio.create_task(each) for each in pages]
    async for event in Events.subscribe_workflow(sys.argv[1], seed=True):
        break
    if sys.argv[2] == "closed":
        async with Client() as client:
            tasks.append(asyncio.create_task(page(client.events.subscribe_all(seed=True))))
            await anext(client.events.subscribe_all(seed=True))

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["default client", "closed"])
async def test_a_program_that_ends_while_it_is_subscribed_ends_without_a_word(
    database: str, how: str
) -> None:
    flow = Workflow("flow").add("a", job())
    async with Client(database) as client:
        await client.insert_workflow(flow)
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with anyio.fail_after(200):
        ended = await anyio.run_process(
            [*command, str(flow.workflow_id), how],
            check=False,
            env={**os.environ, "BATON_DSN": database},
        )
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
    assert set(ended.stdout.decode().split()) <= {"available"}
