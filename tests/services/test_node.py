"""A whole worker process inside the test's event loop, on a real database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

import baton
from baton import Client, Job, Registry, Settings, Snooze, Workflow
from baton.node import Node
from baton.settings import load
from tests.support import connection, nap, rows, states, value

pytestmark = pytest.mark.anyio


def settings_for(database: str, **changes: Any) -> Settings:
    return load(**{"dsn": database, "queues": ["default=10"], "poll_interval": 0.2, **changes})


@asynccontextmanager
async def running(
    database: str, registry: Registry, **changes: Any
) -> AsyncIterator[tuple[Node, Client]]:
    """A started node, stopped and waited for at the end of the block."""
    settings = settings_for(database, **changes)
    node = Node(settings, registry)
    async with Client(settings=settings) as client, anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        yield node, client
        node.stop()


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 200) -> None:
    with anyio.fail_after(seconds):
        while not await condition():
            await nap()


def finished(database: str, count: int = 1) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        query = "select count(*) from baton.workflow_completions"
        return int(await value(database, query)) >= count

    return check


def all_final(database: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        query = """
          select count(*) from baton.jobs where state not in ('completed', 'discarded', 'cancelled')
        """
        return int(await value(database, query)) == 0

    return check


async def test_a_workflow_runs_with_results_across_its_edges(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def fetch(_job: Job, topic: str) -> dict[str, Any]:
        return {"documents": [topic, topic]}

    @registry.worker()
    def count(job: Job) -> dict[str, Any]:
        return {"count": len(job.result("fetch")["documents"])}

    @registry.worker()
    def join(job: Job) -> dict[str, Any]:
        return {"results": job.results()}

    flow = (
        Workflow("research")
        .add("fetch", fetch.new(topic="x"))
        .add("count", count.new(), deps=["fetch"])
        .add("same", count.new(), deps=["fetch"])
        .add("join", join.new(), deps=["count", "same"])
    )
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
        status = await client.get_workflow(flow.workflow_id)
    assert status.state == "completed"
    assert {node.step_name: node.result for node in status.nodes}["join"] == {
        "results": {"count": {"count": 2}, "same": {"count": 2}}
    }


async def test_jobs_insert_jobs_with_the_default_client(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def child(_job: Job) -> None: ...

    @registry.worker()
    async def parent(_job: Job) -> None:
        await child.insert()
        await baton.insert_all([child.new()])

    @registry.worker()
    def threaded_parent(_job: Job) -> None:
        child.insert_sync()

    async with running(database, registry) as (_, client):
        await client.insert_all([parent.new(), threaded_parent.new()])
        await until(all_final(database))
    assert await value(database, "select count(*) from baton.jobs") == 5


async def test_a_snoozed_job_comes_back_without_using_an_attempt(database: str) -> None:
    registry = Registry()
    seen: list[int] = []

    @registry.worker()
    async def naps(job: Job) -> Snooze | None:
        seen.append(job.attempt)
        return Snooze(0.01) if len(seen) < 3 else None

    async with running(database, registry) as (_, client):
        await client.insert(naps.new())
        await until(all_final(database))
    assert seen == [1, 1, 1]


async def test_a_failing_step_cancels_what_follows_and_the_workflow_fails(database: str) -> None:
    registry = Registry()

    @registry.worker(max_attempts=1)
    async def breaks(_job: Job) -> None:
        raise SystemExit("broken\x00")

    flow = Workflow("fails").add("a", breaks.new()).add("b", breaks.new(), deps=["a"])
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
        status = await client.get_workflow(flow.workflow_id)
    assert (status.state, status.failed_steps) == ("failed", ["a", "b"])
    assert await states(database) == {"a": "discarded", "b": "cancelled"}


async def test_a_step_started_by_hand_before_its_gate_runs_after_its_dependency(
    database: str,
) -> None:
    registry = Registry()
    order: list[str] = []
    release = anyio.Event()

    @registry.worker()
    async def notes(job: Job) -> None:
        if job.step_name == "a":
            await release.wait()
        order.append(job.step_name or "")

    flow = Workflow("early").add("a", notes.new()).add("b", notes.new(), deps=["a"])
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        query = """
          update baton.jobs set state = 'available' where meta ->> 'workflow_name' = 'b' returning
          id
        """
        await rows(database, query)

        async def sent_back() -> bool:
            return (await states(database))["b"] == "suspended"

        await until(sent_back)
        release.set()
        await until(finished(database))
    assert order == ["a", "b"]


async def test_stopping_waits_for_what_runs_and_starts_nothing_new(database: str) -> None:
    registry = Registry()
    begun = anyio.Event()
    go_on = anyio.Event()

    @registry.worker()
    async def waits(_job: Job) -> None:
        begun.set()
        await go_on.wait()

    async with running(database, registry, queues=["default=1"]) as (node, client):
        first, second = await client.insert_all([waits.new(), waits.new()])
        await begun.wait()
        node.stop()
        go_on.set()
    found = dict(await rows(database, "select id, state::text from baton.jobs"))
    assert found == {first.id: "completed", second.id: "available"}


async def test_what_is_claimed_while_shutdown_begins_is_given_back_and_never_starts(
    database: str,
) -> None:
    registry = Registry()
    started: list[int] = []

    @registry.worker()
    async def notes(job: Job) -> None:
        started.append(job.id)
        await anyio.sleep_forever()

    async with Client(database) as client:
        await client.insert(notes.new())
    for _ in range(5):
        # the first cycle is under way when the node says that it has started
        async with running(database, registry) as (node, _):
            node.stop()
    assert started == []
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("available", 0)]


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("how", ["no grace", "second signal"])
async def test_what_does_not_end_in_time_is_given_back_uncharged(database: str, how: str) -> None:
    registry = Registry()
    begun = anyio.Event()

    @registry.worker()
    async def never_ends(_job: Job) -> None:
        begun.set()
        await anyio.sleep_forever()

    grace = 0.0 if how == "no grace" else 3_600.0
    async with running(database, registry, grace=grace) as (node, client):
        await client.insert(never_ends.new())
        await begun.wait()
        node.stop()
        if how == "second signal":
            node.stop()
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("available", 0)]
    assert await value(database, "select count(*) from baton.leases") == 0


async def test_work_goes_on_after_every_connection_was_cut(database: str) -> None:
    registry = Registry()
    count = 0

    @registry.worker()
    async def counts(_job: Job) -> None:
        nonlocal count
        count += 1

    async with running(database, registry) as (_, client):
        await client.insert(counts.new())
        await until(all_final(database))
        await rows(
            database,
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
              and application_name in ('baton worker', 'baton listen', 'baton lease')
            """,
        )
        async with connection(database) as conn, Client(database) as other:
            await other.insert(counts.new())
            assert conn
            await until(all_final(database))
    assert count == 2


class Stubborn:
    """A worker whose first attempt never ends unless it is cancelled."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.starts = 0
        self.begun = anyio.Event()
        self.cancelled = anyio.Event()
        self.job = self.registry.worker(name="stubborn")(self._perform).new

    async def _perform(self, _job: Job) -> None:
        self.starts += 1
        if self.starts == 1:
            self.begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.cancelled.set()


async def test_a_process_that_lost_its_lease_abandons_its_jobs_and_takes_a_new_one(
    database: str,
) -> None:
    stubborn = Stubborn()

    async with running(database, stubborn.registry, lease_ttl=60) as (_, client):
        await client.insert(stubborn.job())
        await stubborn.begun.wait()
        await rows(database, "delete from baton.leases returning id")
        await until(all_final(database))
    assert stubborn.starts == 2
    assert stubborn.cancelled.is_set()
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("completed", 2)]


async def test_a_process_that_cannot_renew_stops_its_jobs_and_starts_anew(database: str) -> None:
    """Somebody holds the row of its lease for longer than the lease lasts."""
    stubborn = Stubborn()

    # not the shortest: a process that got no time for so long would lose another one
    async with running(database, stubborn.registry, lease_ttl=9) as (_, client):
        await client.insert(stubborn.job())
        await stubborn.begun.wait()
        async with connection(database) as holder, holder.transaction():
            await holder.execute("select from baton.leases for update")
            with anyio.fail_after(60):
                await stubborn.cancelled.wait()
            assert stubborn.starts == 1
        await until(all_final(database))
    assert stubborn.starts == 2
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("completed", 2)]


@pytest.mark.usefixtures("unhurried")
async def test_a_node_can_be_stopped_at_once_many_times(database: str) -> None:
    for _ in range(5):
        async with running(database, Registry()) as (node, _):
            node.stop()
            node.stop()
    assert await value(database, "select count(*) from baton.leases") == 0


FORGET_THE_CLAIM = """
update baton.jobs
set state = 'available', epoch = epoch - 1, attempt = attempt - 1, attempted_by = null
where state = 'executing'
returning id
"""


async def test_a_claim_that_a_crash_of_the_server_forgot_is_made_again_and_its_attempt_goes_on(
    database: str,
) -> None:
    """Claims don't wait for the disk, so the process has the attempt and the server has not."""
    registry = Registry()
    begun = 0
    go_on = anyio.Event()

    @registry.worker()
    async def patient(_job: Job) -> None:
        nonlocal begun
        begun += 1
        await go_on.wait()

    async with running(database, registry) as (node, client):
        inserted = await client.insert(patient.new())

        async def runs() -> bool:
            return begun > 0

        async def claimed_again() -> bool:
            found = await client.get_job(inserted.id)
            return found.state == "executing"

        await until(runs)
        assert await rows(database, FORGET_THE_CLAIM) == [(inserted.id,)]
        await rows(database, "select pg_notify('baton.jobs', 'default')")
        await until(claimed_again)
        go_on.set()
        await until(all_final(database))
        assert node._executor.in_hand == []
    assert begun == 1
    assert await rows(database, "select state::text, attempt, epoch from baton.jobs") == [
        ("completed", 1, 1)
    ]
