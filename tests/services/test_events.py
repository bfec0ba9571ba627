"""Events of steps and workflows: what is published, and what subscribers get to see of it."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import pytest
from psycopg import AsyncConnection

from baton import (
    Cancel,
    Client,
    Discard,
    Events,
    Job,
    Registry,
    Resumed,
    Snooze,
    StepUpdated,
    Workflow,
    WorkflowFinished,
)
from baton.ambient import ambient
from baton.client import SyncClient
from baton.errors import CannotListen, ConfigurationError, DatabaseUnavailable, NotFound
from baton.settings import load
from baton.states import State
from baton.store import door
from baton.store.migrations import migrate
from tests.services.test_node import finished, running, until
from tests.support import connection, ended, job, process, rows, value

pytestmark = pytest.mark.anyio

LISTENERS = """
  select count(*) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
"""
LISTENING = """
  select count(*) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
    and query like 'listen%%' and state = 'idle'
"""
CUT = """
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name = 'baton events'
"""


class Page:
    """Takes the events of a subscription, as a live page does."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.begun = anyio.Event()
        self.ended = anyio.Event()

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(e.step_name, e.state) for e in self.events if isinstance(e, StepUpdated)]

    @property
    def states(self) -> dict[str, str]:
        return dict(self.said)

    async def read(self, subscription: Any) -> None:
        async with aclosing(subscription) as events:
            async for event in events:
                self.events.append(event)
                self.begun.set()
        self.ended.set()

    def has(self, *said: tuple[str, str]) -> Callable[[], Any]:
        async def check() -> bool:
            return set(said) <= set(self.said)

        return check


async def listening(database: str) -> None:
    async def check() -> bool:
        return int(await value(database, LISTENING)) > 0

    await until(check)


@asynccontextmanager
async def bare_listener(database: str, channel: str) -> AsyncIterator[Callable[[], Any]]:
    """What another language does: LISTEN, and read JSON."""
    conn = await AsyncConnection.connect(door.conninfo(database), autocommit=True)
    try:
        await conn.execute(f'listen "{channel}"'.encode())

        async def heard() -> list[Any]:
            await conn.execute("select 1")
            payloads = [note.payload async for note in conn.notifies(timeout=0)]
            assert all(len(payload.encode()) < 8_000 for payload in payloads)
            return [event for payload in payloads for event in json.loads(payload)]

        yield heard
    finally:
        await conn.close()


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    state = {"naps": 0}

    @registry.worker(name="works")
    async def works(_job: Job) -> dict[str, int]:
        return {"answer": 42}

    @registry.worker(name="naps")
    async def naps(_job: Job) -> Snooze | None:
        state["naps"] += 1
        return Snooze(0.01) if state["naps"] == 1 else None

    @registry.worker(name="fails", max_attempts=2, backoff=lambda _job, _error: 0.01)
    async def fails(_job: Job) -> None:
        raise ValueError("broken")

    @registry.worker(name="gives_up")
    async def gives_up(_job: Job) -> Discard:
        return Discard("no use")

    @registry.worker(name="leaves")
    async def leaves(_job: Job) -> Cancel:
        return Cancel("not wanted")

    return registry


def flow_of(**steps: tuple[str, list[str]]) -> Workflow:
    flow = Workflow("flow")
    for name, (worker, deps) in steps.items():
        flow.add(name, job(worker=worker, max_attempts=2), deps=deps)
    return flow


async def test_every_transition_is_told_in_its_order_and_then_the_end(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("works", []), b=("naps", ["a"]), c=("fails", ["b"]), d=("works", ["c"]))
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
        await listening(database)
        await client.insert_workflow(flow)
        with anyio.fail_after(20):
            await page.ended.wait()
    assert page.said == [
        ("a", "executing"),
        ("a", "completed"),
        ("b", "executing"),
        ("b", "snoozed"),
        ("b", "executing"),
        ("b", "completed"),
        ("c", "executing"),
        ("c", "retryable"),
        ("c", "executing"),
        ("c", "discarded"),
        ("d", "cancelled"),
    ]
    end = page.events[-1]
    assert isinstance(end, WorkflowFinished)
    assert (end.outcome, end.failed_steps, end.failed) == ("failed", ("c", "d"), 2)
    assert end.duration > 0
    told = {(e.step_name, e.state): e for e in page.events[:-1]}
    done = told["a", "completed"]
    assert (done.has_result, done.error, done.worker, done.attempt) == (True, None, "works", 1)
    assert done.workflow_id == flow.workflow_id
    assert done.workflow_label == "flow"
    assert told["b", "snoozed"].attempt == 1
    assert told["c", "retryable"].error == "broken"
    assert told["c", "discarded"].attempt == 2
    assert told["d", "cancelled"].error == "dependency c was discarded"
    assert {
        "event",
        "schema",
        "transaction",
        "workflow_id",
        "workflow_label",
        "step_name",
        "state",
        "skipped",
        "job_id",
        "epoch",
        "worker",
        "attempt",
        "has_result",
        "error",
        "timestamp",
    } == set(done.payload)


async def test_other_languages_listen_to_the_same_channels(
    database: str, registry: Registry
) -> None:
    flow = flow_of(a=("gives_up", []), b=("leaves", []))
    channel = f"workflow:{flow.workflow_id}"
    async with (
        bare_listener(database, channel) as heard,
        bare_listener(database, "workflow:all") as heard_all,
        running(database, registry) as (_, client),
    ):
        await client.insert_workflow(flow)
        await until(finished(database))
        one, all_ = await heard(), await heard_all()
    assert one == all_
    assert [(e.get("step_name"), e.get("state") or e["outcome"]) for e in one] == [
        ("a", "executing"),
        ("b", "executing"),
        ("a", "discarded"),
        ("b", "cancelled"),
        (None, "failed"),
    ]
    assert {e["schema"] for e in one} == {"baton"}


async def test_names_and_errors_of_any_length_and_kind_never_break_a_notification(
    database: str,
) -> None:
    nasty = '\x01\x7f"\\\U0001f600\n' * 1_000
    flow = Workflow(f"label {nasty}")
    for index in range(12):
        flow.add(f"{index} {nasty}"[:7_000], job(worker=f"w{index}{nasty}"))
    async with (
        bare_listener(database, "workflow:all") as heard,
        Client(database) as client,
        process(database) as worker,
    ):
        await client.insert_workflow(flow)
        jobs = await worker.fetch(capacity=20)
        message = json.dumps({"kind": "error", "message": nasty})
        await worker.acknowledge(*(ended(each, State.DISCARDED, error=message) for each in jobs))
        events = await heard()
    assert [e.get("state") for e in events] == ["executing"] * 12 + ["discarded"] * 12 + [None]
    by_job = {e["job_id"]: e for e in events if e.get("state") == "discarded"}
    assert all(e["step_name"].startswith(e["step_name"].split()[0]) for e in by_job.values())
    assert len({e["step_name"] for e in by_job.values()}) == 12
    assert all(e["error"] == nasty[:500] for e in by_job.values())
    assert len(events[-1]["failed_steps"]) == 12


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
            with anyio.fail_after(20):
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
            with anyio.fail_after(20):
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
            with anyio.fail_after(20):
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
            with anyio.fail_after(20):
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
            with anyio.fail_after(20):
                await seeded.ended.wait()
                await plain.ended.wait()
    assert seeded.states == plain.states == {"a": "completed", "b": "completed"}
    after = seeded.events[seeded.events.index(Resumed(reason="reconnected")) + 1 :]
    assert [e.step_name for e in after if getattr(e, "seeded", False)] == ["a", "b"]


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
            with anyio.fail_after(20):
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
                with anyio.fail_after(20):
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


async def test_what_waits_outside_its_workflow_and_what_is_skipped_are_told_too(
    database: str, registry: Registry
) -> None:
    inner = Workflow("inner").add("x", job(worker="works"))
    flow = (
        Workflow("outer")
        .add("first", job(worker="works"))
        .add("inner", inner, deps=["first"])
        .sleep("pause", 0.01, deps=["first"])
        .wait_for("approval", timeout=0.01, on_timeout="completed", deps=["first"])
        .add("alarm", job(worker="works"), deps=["pause"], run_on="failed")
    )
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
        await listening(database)
        await client.insert_workflow(flow)
        due = "update baton.workflow_waits set until = now() where signal is not null returning 1"
        sweep = "select swept from baton.sweep_releases(0, 0, 100)"

        async def ended() -> bool:
            waits = "select array_agg(job_id) from baton.workflow_waits where woken_at is null"
            await rows(database, due)
            if ids := await value(database, waits):
                leave = "insert into baton.workflow_releases (job_ids) values (%s) returning id"
                await rows(database, leave, ids)
                await rows(database, sweep)
            return page.ended.is_set()

        await until(ended)
    told = {name: [state for step, state in page.said if step == name] for name, _ in page.said}
    assert told == {
        "first": ["executing", "completed"],
        "inner": ["executing", "completed"],
        "pause": ["snoozed", "completed"],
        "approval": ["snoozed", "completed"],
        "alarm": ["completed"],
    }
    skipped = [e.step_name for e in page.events if isinstance(e, StepUpdated) and e.skipped]
    assert skipped == ["alarm"]


async def test_a_dead_process_is_told_as_a_failed_attempt(database: str) -> None:
    flow = Workflow("flow").add("a", job())
    async with (
        bare_listener(database, "workflow:all") as heard,
        Client(database) as client,
        process(database) as worker,
    ):
        await client.insert_workflow(flow)
        await worker.fetch()
        await rows(
            database, "update baton.leases set expires_at = now() - interval '1 s' returning id"
        )
        await rows(database, "select * from baton.rescue_jobs(60, 0, 10)")
        events = await heard()
    assert [(e["state"], e["error"]) for e in events] == [
        ("executing", None),
        ("retryable", "the worker process that ran it died"),
    ]


async def test_an_attempt_that_was_given_back_is_silent(database: str) -> None:
    flow = Workflow("flow").add("a", job())
    async with (
        bare_listener(database, "workflow:all") as heard,
        Client(database) as client,
        process(database) as worker,
    ):
        await client.insert_workflow(flow)
        [claimed] = await worker.fetch()
        await worker.acknowledge(ended(claimed, State.AVAILABLE, refund=True))
        assert [e["state"] for e in await heard()] == ["executing"]


async def test_a_step_cancelled_by_hand_is_told_by_the_sweep(
    database: str, registry: Registry
) -> None:
    flow = Workflow("flow").add("a", job(queue="nobody")).add("b", job(queue="nobody"), deps=["a"])
    page = Page()
    async with running(database, registry) as (_, client), anyio.create_task_group() as tasks:
        inserted = await client.insert_workflow(flow)
        tasks.start_soon(page.read, client.events.subscribe_workflow(flow.workflow_id))
        await listening(database)
        await client.cancel_job(inserted[0].id, "the customer left")
        with anyio.fail_after(20):
            await page.ended.wait()
    assert [(e.step_name, e.state, e.error) for e in page.events[:-1]] == [
        ("a", "cancelled", "the customer left"),
        ("b", "cancelled", "dependency a was cancelled"),
    ]


async def test_two_schemas_in_one_database_hear_only_their_own(database: str) -> None:
    migrate(database, schema="other")
    id_ = uuid4()
    page = Page()
    async with (
        Client(database) as client,
        Client(database, schema="other") as other,
        process(database) as worker,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(page.read, other.events.subscribe_all())
        await listening(database)
        await client.insert_workflow(Workflow("mine", workflow_id=id_).add("a", job()))
        await worker.run_all()
        note = {"event": "workflow_finished", "schema": "other", "workflow_id": str(id_)}
        end = {
            **note,
            "workflow_label": "other",
            "outcome": "completed",
            "failed_steps": [],
            "failed": 0,
            "duration": 1,
            "timestamp": "2026-01-01T00:00:00+00:00",
        }
        say = "select pg_notify('workflow:all', %s)"
        for nonsense in ("", "{", "[1]", json.dumps([note]), json.dumps(end), json.dumps([end])):
            await rows(database, say, nonsense)
        with anyio.fail_after(20):
            await page.begun.wait()
        tasks.cancel_scope.cancel()
    assert [e.workflow_label for e in page.events] == ["other"]


async def test_the_default_client_subscribes_too(database: str, registry: Registry) -> None:
    flow = flow_of(a=("works", []))
    page = Page()
    async with running(database, registry) as (_, client):
        with ambient.using(client, SyncClient(settings=client.settings)):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(page.read, Events.subscribe_workflow(flow.workflow_id, seed=True))
                await listening(database)
                await flow.insert()
                with anyio.fail_after(20):
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
        with anyio.fail_after(20):
            await page.ended.wait()
    assert await value(database, LISTENERS) == 0


async def test_a_process_may_publish_nothing(database: str, registry: Registry) -> None:
    flow = flow_of(a=("works", []), b=("fails", ["a"]), c=("works", ["b"]))
    async with (
        bare_listener(database, "workflow:all") as heard,
        running(database, registry, events=False) as (_, client),
    ):
        await client.insert_workflow(flow)
        await until(finished(database))
        assert await heard() == []


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
    with anyio.fail_after(60):
        ended = await anyio.run_process(
            [*command, str(flow.workflow_id), how],
            check=False,
            env={**os.environ, "BATON_DSN": database},
        )
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
    assert set(ended.stdout.decode().split()) <= {"available"}
