"""What is cancelled, deleted or changed by hand stops running in the process that runs it."""

import os
import threading
from pathlib import Path

import anyio
import pytest

from baton import Client, Job, Registry
from tests.services import apps
from tests.services.test_node import running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio

CANCEL_IN_SILENCE = "update baton.jobs set state = 'cancelled' where id = %s returning id"
TAKE_FOR_ANOTHER_PROCESS = """
with another as (
  insert into baton.leases (node, guarded, expires_at)
  values ('another', false, now() + interval '1 hour')
  returning id)
update baton.jobs set attempted_by = another.id from another
where jobs.id = %s
returning jobs.id
"""


class Endless:
    """A worker that runs until it is stopped, and tells."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.begun = 0
        self.stopped = 0
        self.job = self.registry.worker(name="endless")(self._perform).new
        self.short = self.registry.worker(name="short")(self._end).new

    async def _perform(self, _job: Job) -> None:
        self.begun += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.stopped += 1

    async def _end(self, _job: Job) -> None: ...

    async def started(self, count: int = 1) -> None:
        async def check() -> bool:
            return self.begun >= count

        await until(check)

    async def ended(self, count: int = 1) -> None:
        async def check() -> bool:
            return self.stopped >= count

        await until(check)


async def completes(client: Client, endless: Endless) -> None:
    """The only slot of the queue is free: another job goes through."""
    after = await client.insert(endless.short())

    async def completed() -> bool:
        return (await client.get_job(after.id)).state == "completed"

    await until(completed)


async def test_cancelling_an_executing_job_stops_it_and_it_ends_cancelled(database: str) -> None:
    endless = Endless()
    async with running(database, endless.registry, queues=["default=1"]) as (_, client):
        inserted = await client.insert(endless.job())
        await endless.started()
        assert await client.cancel_job(inserted.id, "not needed any more")
        await endless.ended()
        await completes(client, endless)
        found = await client.get_job(inserted.id)
    assert (found.state, found.attempt, len(found.errors)) == ("cancelled", 1, 1)
    assert found.errors[0]["message"] == "not needed any more"


async def test_cancelling_a_running_thread_cancels_its_job_and_what_it_returns_is_not_looked_at(
    database: str,
) -> None:
    registry = Registry()
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    @registry.worker()
    def blocks(_job: Job) -> None:
        begun.set()
        go_on.wait(120)
        over.set()

    async with running(database, registry) as (node, client):
        inserted = await client.insert(blocks.new())
        assert await anyio.to_thread.run_sync(begun.wait, 60)
        await client.cancel_job(inserted.id)

        async def given_up() -> bool:
            return not node._executor.in_hand

        await until(given_up)
        go_on.set()
        assert await anyio.to_thread.run_sync(over.wait, 60)
        node.stop()
    assert await rows(database, "select state::text from baton.jobs") == [("cancelled",)]


async def test_cancelling_a_job_in_a_child_process_kills_the_child(
    database: str, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    async with running(database, apps.registry, app="tests.services.apps:registry") as (_, client):
        inserted = await client.insert(apps.leaves_its_pid.new(path=str(path)))

        async def begun() -> bool:
            return path.exists()

        await until(begun, seconds=60)
        child = int(path.read_text())
        await client.cancel_job(inserted.id)

        async def killed() -> bool:
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return True
            return False

        await until(killed)
    assert await rows(database, "select state::text from baton.jobs") == [("cancelled",)]


@pytest.mark.parametrize(
    "how",
    [
        "delete from baton.jobs where id = %s returning id",
        CANCEL_IN_SILENCE,
        "update baton.jobs set state = 'suspended' where id = %s returning id",
        TAKE_FOR_ANOTHER_PROCESS,
    ],
)
async def test_a_job_that_was_deleted_or_edited_by_hand_is_stopped_on_a_word(
    database: str, how: str
) -> None:
    endless = Endless()
    async with running(database, endless.registry, queues=["default=1"]) as (_, client):
        inserted = await client.insert(endless.job())
        await endless.started()
        await rows(database, how, inserted.id)
        await rows(database, "select pg_notify('baton.control', 'cancel')")
        await endless.ended()
        await completes(client, endless)


async def test_a_job_whose_notification_was_lost_is_stopped_all_the_same(database: str) -> None:
    endless = Endless()
    async with running(database, endless.registry) as (_, client):
        inserted = await client.insert(endless.job())
        await endless.started()
        await rows(database, CANCEL_IN_SILENCE, inserted.id)
        await endless.ended()


@pytest.mark.usefixtures("unhurried")
async def test_only_the_jobs_that_were_cancelled_are_stopped(database: str) -> None:
    endless = Endless()
    async with running(database, endless.registry, grace=0) as (node, client):
        first, second = await client.insert_all([endless.job(), endless.job()])
        await endless.started(2)
        await client.cancel_job(first.id)
        await endless.ended(1)
        assert node._executor.in_hand == [second.id]
    found = dict(await rows(database, "select id, state::text from baton.jobs"))
    assert found == {first.id: "cancelled", second.id: "available"}


async def test_a_malformed_word_stops_nothing_and_breaks_nothing(database: str) -> None:
    endless = Endless()
    async with running(database, endless.registry, queues=["default=1"]) as (_, client):
        inserted = await client.insert(endless.job())
        await endless.started()
        for payload in ("cancel x,;1e99", "cancel " + "9" * 400, "cancel"):
            await rows(database, "select pg_notify('baton.control', %s)", payload)
        await client.cancel_job(inserted.id)
        await endless.ended()
        await completes(client, endless)
    assert (endless.begun, endless.stopped) == (1, 1)


@pytest.mark.usefixtures("unhurried")
async def test_a_job_that_is_cancelled_and_retried_at_once_runs_again(database: str) -> None:
    endless = Endless()
    async with running(database, endless.registry, grace=0) as (_, client):
        inserted = await client.insert(endless.job())
        for turn in range(1, 6):
            await endless.started(turn)
            assert await client.cancel_job(inserted.id)
            assert await client.retry_job(inserted.id)
        await endless.started(6)
        await endless.ended(5)
        assert (await client.get_job(inserted.id)).state == "executing"
    assert await value(database, "select state::text from baton.jobs") == "available"


async def test_a_thousand_running_jobs_are_cancelled_by_a_filter(database: str) -> None:
    endless = Endless()
    async with running(database, endless.registry, queues=["default=1000"]) as (_, client):
        await client.insert_all([endless.job() for _ in range(1_000)])
        await endless.started(1_000)
        assert await client.cancel_jobs(worker="endless") == 1_000
        await endless.ended(1_000)
        await completes(client, endless)
    counts = "select state::text, count(*) from baton.jobs group by state"
    assert dict(await rows(database, counts)) == {"cancelled": 1_000, "completed": 1}
