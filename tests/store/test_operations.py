"""Cancel, retry and delete: by id, by list and by filter, from Python and from SQL."""

from datetime import UTC, datetime, timedelta

import pytest

import baton
from baton import Client, SyncClient, Workflow
from baton.errors import (
    InvalidFilter,
    NotFound,
)
from baton.states import State
from baton.store import operations
from tests.support import connection, done, insert_in, job, process, rows, states

pytestmark = pytest.mark.anyio

BEYOND_BIGINT = 2**70
FINAL = ("completed", "cancelled", "discarded")
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def test_cancelling_a_waiting_job_cancels_it_at_once_with_the_reason(database: str) -> None:
    async with Client(database) as client:
        for state in ("available", "scheduled", "suspended", "retryable"):
            waiting = await insert_in(database, client, state)
            assert await client.cancel_job(waiting.id, "the customer left")
            found = await client.get_job(waiting.id)
            assert found.state == "cancelled"
            assert found.cancelled_at is not None
            assert found.errors[-1]["kind"] == "cancelled"
            assert found.errors[-1]["message"] == "the customer left"
            assert "attempted_at" not in found.errors[-1]  # no attempt was cancelled


@pytest.mark.parametrize("state", FINAL)
async def test_cancelling_a_job_that_has_ended_leaves_it_untouched(
    database: str, state: str
) -> None:
    async with Client(database) as client:
        over = await insert_in(database, client, state)
        before = await client.get_job(over.id)
        assert not await client.cancel_job(over.id)
        assert await client.get_job(over.id) == before


async def test_a_reason_that_cannot_be_stored_is_made_storable(database: str) -> None:
    async with Client(database) as client:
        waiting = await client.insert(job())
        await client.cancel_job(waiting.id, "x\x00\ud800" + "y" * 10_000)
        [error] = (await client.get_job(waiting.id)).errors
    assert 1_000 < len(error["message"]) < 5_000


async def test_cancelling_an_executing_job_refuses_its_acknowledgement(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert(job())
        [mine] = await worker.fetch()
        assert await client.cancel_job(inserted.id)
        [error] = (await client.get_job(inserted.id)).errors
        assert error["scheduled_at"] <= error["attempted_at"] <= error["at"]
        assert await worker.acknowledge(done(mine)) == frozenset()
        assert (await client.get_job(inserted.id)).state == "cancelled"


async def test_cancelling_what_executes_is_told_to_the_processes(database: str) -> None:
    async with Client(database) as client, process(database) as worker, connection(database) as ear:
        await ear.execute('listen "baton.control"')
        waiting, first, second = await client.insert_all([job(queue="other"), job(), job()])
        await worker.fetch(2)
        await client.cancel_jobs(ids=[waiting.id, first.id, second.id])
        heard = [each.payload async for each in ear.notifies(timeout=60, stop_after=1)]
    assert heard == [f"cancel {first.id} {second.id}"]


async def test_too_many_ids_for_a_notification_are_left_out(database: str) -> None:
    async with Client(database) as client, process(database) as worker, connection(database) as ear:
        await ear.execute('listen "baton.control"')
        many = await client.insert_all([job() for _ in range(3_000)])
        await worker.fetch(3_000)
        ids = [each.id for each in many]
        [(cancelled,)] = await rows(
            database, "select count(*) from baton.cancel_jobs(%s) where done", ids
        )
        heard = [each.payload async for each in ear.notifies(timeout=60, stop_after=1)]
    assert cancelled == 3_000
    assert heard == ["cancel"]


@pytest.mark.parametrize("state", FINAL)
async def test_retrying_a_job_that_has_ended_makes_it_available_again(
    database: str, state: str
) -> None:
    async with Client(database) as client:
        over = await insert_in(database, client, state)
        assert await client.retry_job(over.id)
        found = await client.get_job(over.id)
    assert (found.state, found.attempt, found.max_attempts) == ("available", 1, 20)
    assert (found.completed_at, found.discarded_at, found.cancelled_at) == (None, None, None)


async def test_retrying_an_exhausted_job_raises_its_max_attempts(database: str) -> None:
    async with Client(database) as client:
        over = await insert_in(database, client, "discarded", max_attempts=1)
        await client.retry_job(over.id)
        found = await client.get_job(over.id)
    assert (found.state, found.attempt, found.max_attempts) == ("available", 1, 2)


async def test_retrying_a_job_that_waits_for_its_time_runs_it_now(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        later = await client.insert(job(schedule_in=3_600))
        failed = await insert_in(database, client, "retryable")
        assert await client.retry_jobs(ids=[later.id, failed.id]) == 2
        assert {each.id for each in await worker.fetch(5)} == {later.id, failed.id}


async def test_retrying_drops_a_deadline_that_has_passed(database: str) -> None:
    async with Client(database) as client:
        over = await insert_in(
            database, client, "cancelled", deadline=datetime(2020, 1, 1, tzinfo=UTC)
        )
        still = await insert_in(
            database, client, "cancelled", deadline=datetime(2900, 1, 1, tzinfo=UTC)
        )
        await client.retry_jobs(ids=[over.id, still.id])
        assert (await client.get_job(over.id)).deadline is None
        assert (await client.get_job(still.id)).deadline is not None


async def test_retrying_an_executing_or_suspended_job_leaves_it_untouched(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client, process(database) as worker:
        a, b = await client.insert_workflow(flow)
        await worker.fetch()
        assert await client.retry_jobs(ids=[a.id, b.id]) == 0
        assert await states(database) == {"a": "executing", "b": "suspended"}


async def test_executing_jobs_cannot_be_deleted(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        running, waiting = await client.insert_all([job(), job()])
        await worker.fetch()
        assert not await client.delete_job(running.id)
        assert await client.delete_job(waiting.id)
        assert [each.id for each in await client.list_jobs()] == [running.id]


@pytest.mark.parametrize("unknown", [0, -1, 12345, BEYOND_BIGINT])
async def test_cancel_retry_and_delete_of_an_unknown_id_are_harmless(
    database: str, unknown: int
) -> None:
    async with Client(database) as client:
        known = await client.insert(job())
        assert not await client.cancel_job(unknown)
        assert not await client.retry_job(unknown)
        assert not await client.delete_job(unknown)
        assert await client.cancel_jobs(ids=[unknown, known.id, known.id]) == 1


async def test_a_bulk_operation_needs_a_criterion_that_can_be_used(database: str) -> None:
    async with Client(database) as client:
        kept = await client.insert(job())
        for which in (
            {},
            {"colour": "red"},
            {"queue": None, "worker": "x"},
            {"queue": " "},
            {"state": "done"},
            {"ids": "12"},
            {"ids": [True]},
            {"tags": "mail"},
            {"args": [1]},
            {"inserted_before": datetime(2026, 1, 1)},  # noqa: DTZ001
        ):
            with pytest.raises(InvalidFilter):
                await client.delete_jobs(**which)  # type: ignore[arg-type]
        assert await client.delete_jobs(ids=[]) == 0
        assert (await client.get_job(kept.id)).state == "available"


async def test_a_filter_takes_the_jobs_that_fit_all_of_it(database: str) -> None:
    async with Client(database) as client:
        both = await client.insert(
            job(queue="mail", tags=["Vip", "x"], args={"to": 1, "cc": 2}, meta={"tenant": "a"})
        )
        other = await client.insert(job("tests.other", queue="mail", args={"to": 2}))
        await rows(
            database,
            "update baton.jobs set inserted_at = now() - interval '1 d' where id = %s returning id",
            other.id,
        )
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        for expected, which in (
            (2, {"queue": "mail"}),
            (1, {"queue": "mail", "worker": "tests.other"}),
            (1, {"tags": ["VIP "]}),
            (1, {"args": {"to": 1}}),
            (1, {"meta": {"tenant": "a"}}),
            (1, {"inserted_before": hour_ago}),
            (1, {"inserted_after": hour_ago}),
            (1, {"ids": [both.id], "queue": "mail"}),
            (0, {"ids": [other.id], "tags": ["x"]}),
            (0, {"state": "scheduled"}),
            (2, {"state": ["scheduled", "available"]}),
        ):
            counted = await client.cancel_jobs(dry_run=True, **which)
            assert (which, counted) == (which, expected)
        assert await client.cancel_jobs(inserted_before=hour_ago) == 1
        assert (await client.get_job(other.id)).state == "cancelled"
        assert (await client.get_job(both.id)).state == "available"


async def test_a_bulk_operation_goes_through_the_table_in_bounded_statements(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BATCH", 7)
    monkeypatch.setattr(operations, "WINDOW", 10)
    async with Client(database) as client:
        jobs = await client.insert_all([job(queue=f"q{n % 2}") for n in range(95)])
        assert await client.cancel_jobs(queue="q0", dry_run=True) == 48
        assert await client.cancel_jobs(queue="q0") == 48
        assert await client.retry_jobs(queue="q0") == 48
        assert await client.delete_jobs(ids=[each.id for each in jobs[:50]]) == 50
        assert await client.delete_jobs(state="available") == 45
        assert await client.delete_jobs(state="available") == 0


async def test_a_retry_by_filter_takes_what_failed_and_not_what_completed(database: str) -> None:
    async with Client(database) as client:
        for state in State:
            await insert_in(database, client, state.value)
        assert await client.retry_jobs(queue="default") == 3
        assert await client.retry_jobs(queue="default", state="completed") == 1
        counts = "select state::text, count(*) from baton.jobs group by state"
        assert dict(await rows(database, counts)) == {
            "available": 5,
            "scheduled": 1,
            "suspended": 1,
            "executing": 1,
        }


async def test_a_retried_job_starts_in_a_process_that_was_told(database: str) -> None:
    async with Client(database) as client, connection(database) as ear:
        over = await insert_in(database, client, "cancelled", queue="mail")
        await ear.execute('listen "baton.jobs"')
        await client.retry_job(over.id)
        heard = [each.payload async for each in ear.notifies(timeout=60, stop_after=1)]
    assert heard == ["mail"]


async def test_operations_in_a_transaction_of_the_caller_are_undone_with_it(database: str) -> None:
    async with Client(database) as client, connection(database) as conn:
        inserted = await client.insert(job())
        async with conn.transaction(force_rollback=True):
            assert await client.cancel_job(inserted.id, conn=conn)
            assert await client.retry_jobs(ids=[inserted.id], conn=conn) == 1
            await client.update_job(inserted.id, {"priority": 3}, conn=conn)
            assert await client.delete_jobs(queue="default", conn=conn) == 1
        assert await client.get_job(inserted.id) == inserted


def test_the_synchronous_client_does_the_same(database: str) -> None:
    with SyncClient(database) as client:
        first, second, third = client.insert_all([job(), job(), job()])
        assert client.cancel_job(first.id, "no")
        assert client.retry_job(first.id)
        assert client.delete_job(first.id)
        assert client.cancel_jobs(queue="default", dry_run=True) == 2
        assert client.cancel_jobs(queue="default", reason="no") == 2
        assert client.retry_jobs(queue="default") == 2
        assert client.update_job(second.id, {"tags": ["X"]}).tags == ("x",)
        assert (
            client.update_job(second.id, lambda job: {"priority": job.priority + 1}).priority == 1
        )
        assert client.delete_jobs(ids=[second.id, third.id]) == 2
        for unknown in (second.id, BEYOND_BIGINT):
            with pytest.raises(NotFound, match=f"no job {unknown}"):
                client.update_job(unknown, {"priority": 1})


async def test_the_default_client_operates_too(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_DSN", database)
    async with Client(database) as client:
        inserted = await client.insert(job())
        with baton.ambient.ambient.using(client, SyncClient(database)):
            assert await baton.cancel_job(inserted.id, "no")
            assert await baton.retry_job(inserted.id)
            assert (await baton.update_job(inserted.id, {"priority": 2})).priority == 2
            assert await baton.delete_job(inserted.id)


async def test_the_sql_functions_tell_what_became_of_each_job(database: str) -> None:
    async with Client(database) as client:
        waiting = await client.insert(job())
        over = await insert_in(database, client, "completed")
        ids = [over.id, waiting.id, 12345]
        assert await rows(database, "select * from baton.cancel_jobs(%s, 'no')", ids) == [
            (waiting.id, "available", True),
            (over.id, "completed", False),
        ]
        assert await rows(database, "select * from baton.retry_jobs(%s)", ids) == [
            (waiting.id, "cancelled", True),
            (over.id, "completed", True),
        ]
        assert await rows(database, "select * from baton.delete_jobs(%s, '{completed}')", ids) == [
            (waiting.id, "available", False),
            (over.id, "available", False),
        ]
