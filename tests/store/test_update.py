"""Update: which changes there are, what they are checked for, and what they do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

import baton
from baton import Client, Job, Registry, SyncClient, Workflow
from baton.errors import (
    InvalidArguments,
    InvalidChange,
    InvalidJob,
    NotFound,
    TooLarge,
)
from tests.support import connection, done, in_turn, insert_in, job, process, rows, value

pytestmark = pytest.mark.anyio

BEYOND_BIGINT = 2**70
FINAL = ("completed", "cancelled", "discarded")
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def test_update_takes_a_mapping_or_a_function_of_the_locked_job(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job(priority=1))
        changes: baton.JobChanges = {
            "args": {"to": 2},
            "meta": {"tenant": "a"},
            "tags": [" A ", "a"],
            "max_attempts": 3,
            "queue": "mail",
            "worker": "tests.other",
            "timeout": timedelta(minutes=1),
            "deadline": datetime(2900, 1, 1, tzinfo=UTC),
            "weight": 2,
        }
        updated = await client.update_job(inserted.id, changes)
        assert (updated.queue, updated.worker, updated.priority) == ("mail", "tests.other", 1)
        assert (updated.args, updated.meta, updated.tags) == ({"to": 2}, {"tenant": "a"}, ("a",))
        assert (updated.timeout, updated.weight, updated.max_attempts) == (60, 2, 3)
        updated = await client.update_job(inserted.id, lambda job: {"priority": job.priority + 1})
        assert updated.priority == 2
        lifted = await client.update_job(inserted.id, {"timeout": None, "deadline": None})
        assert (lifted.timeout, lifted.deadline, lifted.args) == (None, None, {"to": 2})
        assert lifted == await client.get_job(inserted.id)


async def test_an_update_of_a_missing_job_is_an_error(database: str) -> None:
    async with Client(database) as client:
        for unknown in (0, 12345, BEYOND_BIGINT):
            with pytest.raises(NotFound, match=f"there is no job {unknown}"):
                await client.update_job(unknown, {"priority": 1})


async def test_two_updates_at_once_both_count(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())

        def more(job: Job) -> baton.JobChanges:
            return {"meta": {"count": job.meta.get("count", 0) + 1}}

        async def update() -> None:
            await client.update_job(inserted.id, more)

        await in_turn(
            database, lambda conn: client.update_job(inserted.id, more, conn=conn), update
        )
        assert (await client.get_job(inserted.id)).meta == {"count": 2}


async def test_a_function_that_raises_changes_nothing(database: str) -> None:
    def fails(_: Job) -> baton.JobChanges:
        raise RuntimeError("no")

    async with Client(database) as client:
        inserted = await client.insert(job())
        with pytest.raises(RuntimeError, match="no"):
            await client.update_job(inserted.id, fails)
        assert await client.get_job(inserted.id) == inserted
        assert (await client.update_job(inserted.id, {"priority": 1})).priority == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": "completed"}, "state can't be changed; what can is args"),
        ({"priority": 10}, "priority must be from 0 to 9"),
        ({"priority": None}, "priority can't be None"),
        ({"queue": " "}, "the queue must not be blank"),
        ({"max_attempts": 0}, "max_attempts of job"),
        ({"timeout": -1}, "timeout: a delay must be"),
        ({"scheduled_at": datetime(2026, 1, 1)}, "must have a time zone"),  # noqa: DTZ001
        ({"args": {"x": object()}}, "can't be stored"),
        ({"meta": {"workflow_id": "x"}}, "Baton owns them"),
        ({"meta": [1]}, "meta must be a mapping"),
        ([1], "changes must be a mapping"),
    ],
)
async def test_an_update_that_cannot_be_is_refused(
    database: str, changes: Any, message: str
) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())
        with pytest.raises(InvalidJob, match=message):
            await client.update_job(inserted.id, changes)
        assert await client.get_job(inserted.id) == inserted


async def test_an_update_is_held_to_the_size_limit(database: str) -> None:
    async with Client(settings=baton.settings.load(dsn=database, max_args_bytes=100)) as client:
        inserted = await client.insert(job())
        with pytest.raises(TooLarge):
            await client.update_job(inserted.id, {"args": {"text": "x" * 200}})


async def test_new_arguments_must_fit_a_worker_that_is_known(database: str) -> None:
    registry = Registry()

    @registry.worker(name="tests.worker")
    async def known(_job: Job, day: int) -> None: ...

    async with Client(database) as client:
        inserted = await client.insert(known.new(day=1))
        with pytest.raises(InvalidArguments, match="day"):
            await client.update_job(inserted.id, {"args": {"day": "x"}}, registry=registry)
        with pytest.raises(InvalidArguments, match="self: unknown"):
            await client.update_job(inserted.id, {"args": {"day": 1, "self": 1}}, registry=registry)
        updated = await client.update_job(inserted.id, {"args": {"day": "2"}}, registry=registry)
        assert updated.args == {"day": 2}
        unknown = await client.update_job(
            inserted.id, {"worker": "tests.unknown", "args": {"a": 1}}, registry=registry
        )
        assert unknown.args == {"a": 1}
        with pytest.raises(InvalidArguments, match="a: unknown"):
            await client.update_job(inserted.id, {"worker": "tests.worker"}, registry=registry)


async def test_an_executing_job_lets_only_its_bookkeeping_be_changed(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert(job(max_attempts=1))
        [mine] = await worker.fetch()
        with pytest.raises(InvalidChange, match="is executing: its args, queue can't be changed"):
            await client.update_job(inserted.id, {"args": {}, "queue": "mail", "priority": 1})
        await client.update_job(inserted.id, {"meta": {"seen": True}, "max_attempts": 5})
        assert await worker.acknowledge(done(mine))
        found = await client.get_job(inserted.id)
    assert (found.state, found.meta, found.max_attempts) == ("completed", {"seen": True}, 5)


async def test_a_job_that_ended_can_be_put_right_and_retried(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        over = await insert_in(database, client, "discarded", args={"to": 1})
        with pytest.raises(InvalidChange, match="is discarded: its schedule_in can't be changed"):
            await client.update_job(over.id, {"schedule_in": 5})
        assert (await client.update_job(over.id, {"args": {"to": 2}})).state == "discarded"
        await client.retry_job(over.id)
        [again] = await worker.fetch()
        assert again.args == {"to": 2}


async def test_another_time_moves_a_job_between_available_and_scheduled(database: str) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    async with Client(database) as client:
        inserted = await client.insert(job())
        moved = await client.update_job(inserted.id, {"scheduled_at": later})
        assert (moved.state, moved.scheduled_at) == ("scheduled", later)
        assert (await client.update_job(inserted.id, {"schedule_in": 60})).state == "scheduled"
        back = await client.update_job(inserted.id, {"scheduled_at": inserted.scheduled_at})
        assert back.state == "available"
        failed = await insert_in(database, client, "retryable")
        assert (await client.update_job(failed.id, {"schedule_in": 60})).state == "retryable"
        assert (await client.update_job(failed.id, {"schedule_in": 0})).state == "available"
        suspended = await insert_in(database, client, "suspended")
        assert (await client.update_job(suspended.id, {"schedule_in": 0})).state == "suspended"


async def test_another_time_or_queue_is_told_to_the_processes(database: str) -> None:
    async with Client(database) as client, connection(database) as ear:
        inserted = await client.insert(job())
        await ear.execute('listen "baton.jobs"')
        await ear.execute('listen "baton.control"')
        await client.update_job(inserted.id, {"queue": "mail"})
        await client.update_job(inserted.id, {"schedule_in": 60})
        heard = [(e.channel, e.payload) async for e in ear.notifies(timeout=60, stop_after=2)]
    assert heard == [("baton.jobs", "mail"), ("baton.control", "due")]


async def test_another_queue_gives_the_job_its_partition_there(database: str) -> None:
    await rows(
        database,
        "insert into baton.queues (name, partition_by) values ('tenants', 'args.t') returning 1",
    )
    async with Client(database) as client:
        inserted = await client.insert(job(args={"t": "a"}))
        keys = []
        for changes in ({"queue": "tenants"}, {"args": {"t": "b"}}, {"queue": "default"}):
            await client.update_job(inserted.id, changes)
            keys.append(await value(database, "select partition_key from baton.jobs"))
    assert keys == ["a", "b", None]


async def test_what_baton_keeps_in_meta_survives_an_update(database: str) -> None:
    flow = Workflow("w").add("a", job(meta={"mine": 1}))
    async with Client(database) as client:
        [a] = await client.insert_workflow(flow)
        replaced = await client.update_job(a.id, {"meta": {"mine": 2}})
        assert (replaced.step_name, replaced.meta["mine"]) == ("a", 2)
        merged = await client.update_job(a.id, lambda job: {"meta": {**job.meta, "more": 3}})
        assert merged.meta == {**replaced.meta, "more": 3}
        with pytest.raises(InvalidJob, match="Baton owns"):
            await client.update_job(a.id, {"meta": {"workflow_name": "b"}})


async def test_an_update_leaves_alone_what_it_does_not_name(database: str) -> None:
    """A number that Python can't hold exactly stays as it is."""
    async with Client(database) as client:
        inserted = await client.insert(job())
        exact = '{"n": 0.1234567890123456789012345678901234567890}'
        await rows(database, "update baton.jobs set args = %s::jsonb returning id", exact)
        await client.update_job(inserted.id, {"priority": 1})
        assert await value(database, "select args::text from baton.jobs") == exact


async def test_an_update_that_begins_the_transaction_of_the_caller_does_not_end_it(
    database: str,
) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())
        async with connection(database) as conn:
            await conn.set_autocommit(False)
            await client.update_job(inserted.id, {"priority": 3}, conn=conn)
            with pytest.raises(InvalidJob):
                await client.update_job(inserted.id, {"priority": 10}, conn=conn)
            assert (await client.get_job(inserted.id)).priority == 0
            await client.update_job(inserted.id, {"weight": 2}, conn=conn)
            await conn.commit()
        found = await client.get_job(inserted.id)
    assert (found.priority, found.weight) == (3, 2)


def test_a_synchronous_update_leaves_the_transaction_of_the_caller_open(database: str) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        inserted = client.insert(job())
        client.update_job(inserted.id, {"priority": 3}, conn=conn)
        conn.rollback()
        assert client.update_job(inserted.id, {"weight": 2}).priority == 0
