"""Claiming: each job once, in order, never waiting for what others hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from baton.client import Client
from baton.jobs import Job
from baton.store.cycles import Range
from baton.store.rows import moment
from tests.support import connection, done, in_turn, job, process, rows, value

pytestmark = pytest.mark.anyio


async def test_eight_processes_claim_each_job_once(database: str) -> None:
    total = 2_000
    async with Client(database) as client:
        await client.insert_all([job() for _ in range(total)])
    claimed: list[int] = []

    async def work() -> None:
        async with process(database) as worker:
            jobs = await worker.fetch(13)
            while jobs:
                claimed.extend(each.id for each in jobs)
                jobs = await worker.complete(*jobs, capacity=13)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(work)
    assert len(claimed) == len(set(claimed)) == total
    assert await rows(database, "select state::text, count(*) from baton.jobs group by 1") == [
        ("completed", total)
    ]
    assert await value(database, "select max(attempt) from baton.jobs") == 1


async def test_lower_priority_number_comes_first_then_the_older(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert_all([job(priority=p) for p in (5, 0, 9, 0, 5)])
    async with process(database) as worker:
        first = await worker.fetch(3)
        rest = await worker.fetch(3)
    ids = [each.id for each in inserted]
    assert [each.id for each in (*first, *rest)] == [ids[1], ids[3], ids[0], ids[4], ids[2]]


async def test_each_queue_is_filled_to_its_own_capacity(database: str) -> None:
    async with Client(database) as client:
        await client.insert_all([job(queue=queue) for queue in ("a", "b") for _ in range(5)])
        await client.insert(job(queue="unserved"))
    async with process(database) as worker:
        cycle = await worker.cycles.cycle(worker.lease, [], {"a": 2, "b": 4})
    queues = [each.queue for each in cycle.jobs]
    assert (queues.count("a"), queues.count("b"), len(queues)) == (2, 4, 6)


async def test_a_job_that_somebody_holds_is_skipped_and_not_waited_for(database: str) -> None:
    async with Client(database) as client:
        held, free = await client.insert_all([job(), job()])
    async with process(database) as worker, connection(database) as holder, holder.transaction():
        await holder.execute("select from baton.jobs where id = %s for update", (held.id,))
        with anyio.fail_after(60):
            assert [each.id for each in await worker.fetch(10)] == [free.id]


async def test_scheduled_jobs_wait_for_their_time(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job(schedule_in=3_600))
    async with process(database) as worker:
        assert await worker.fetch(10) == []


async def test_due_jobs_become_available_and_the_next_time_is_told(database: str) -> None:
    async with Client(database) as client:
        due, later = await client.insert_all([job(schedule_in=60), job(schedule_in=3_600)])
    query = "update baton.jobs set scheduled_at = now() where id = %s returning id"
    await rows(database, query, due.id)
    [(staged, next_in)] = await rows(database, "select staged, next_in from baton.stage_jobs(10)")
    assert staged == 1
    assert 3_500 < next_in <= 3_600
    states = dict(await rows(database, "select id, state::text from baton.jobs"))
    assert states == {due.id: "available", later.id: "scheduled"}


async def test_nothing_is_claimed_under_a_lease_that_is_gone(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
    async with process(database) as worker:
        await rows(database, "delete from baton.leases returning id")
        assert await worker.fetch(10) == []


@pytest.mark.parametrize("acknowledges", [False, True])
@pytest.mark.parametrize("limited", [False, True])
async def test_what_is_freed_with_its_lease_is_not_claimed_under_it_by_a_session_that_waited(
    database: str, limited: bool, acknowledges: bool
) -> None:
    async with Client(database) as client, process(database) as worker:
        if limited:
            await client.queues.limit("default", global_limit=10, rate_limit=10, rate_period=3_600)
        inserted = await client.insert(job())
        acks = [done(each) for each in await worker.fetch()]
        claimed: list[Job] = []

        async def free(conn: Any) -> None:
            await conn.execute("lock table baton.jobs")
            await conn.execute("delete from baton.leases")
            await conn.execute("update baton.jobs set state = 'available'")

        async def fetch() -> None:
            cycle = await worker.cycles.cycle(
                worker.lease, acks if acknowledges else [], {"default": 1}
            )
            claimed.extend(cycle.jobs)

        await in_turn(database, free, fetch)
        found = await client.get_job(inserted.id)
        starts = await value(database, "select count(*) from baton.queue_starts")
    assert claimed == []
    assert (found.state, found.attempt, starts) == ("available", 1, int(limited))


async def test_claims_that_were_never_reported_are_given_back_uncharged(database: str) -> None:
    async with Client(database) as client:
        await client.insert_all([job(), job()])
    async with process(database) as worker:
        known, lost = await worker.fetch(2)
        assert await worker.cycles.return_lost(worker.lease, [known.id]) == [lost.id]
    found = await rows(database, "select id, state::text, attempt from baton.jobs order by id")
    assert found == [(known.id, "executing", 1), (lost.id, "available", 0)]


async def test_what_is_claimed_ahead_comes_on_top_and_no_job_for_its_last_attempt(
    database: str,
) -> None:
    async with Client(database) as client:
        inserted = await client.insert_all(
            [job(max_attempts=1), job(max_attempts=1), job(max_attempts=2), job(), job()]
        )
    async with process(database) as worker:
        cycle = await worker.cycles.cycle(worker.lease, [], {"default": 1}, spares={"default": 3})
        assert [each.id for each in cycle.jobs] == [inserted[n].id for n in (0, 2, 3)]
        # what was passed over is still there, and free
        assert [each.id for each in await worker.fetch(5)] == [inserted[n].id for n in (1, 4)]


async def test_a_fetch_looks_where_it_is_told_to_and_nowhere_else(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert_all([job(priority=p) for p in (0, 0, 0, 3, 3, 5)])
    mark, later = inserted[1], inserted[4]
    ranges = [
        Range("default", 0, mark.scheduled_at.timestamp(), mark.id, 0),
        Range("default", 3, later.scheduled_at.timestamp(), later.id, 3),
    ]
    async with process(database) as worker:
        cycle = await worker.cycles.cycle(worker.lease, [], {"default": 10}, ranges=ranges)
        assert [each.id for each in cycle.jobs] == [inserted[n].id for n in (1, 2, 4)]


@given(seconds=st.integers(-2_000_000_000, 7_000_000_000), microseconds=st.integers(0, 999_999))
@example(seconds=1_767_268_800, microseconds=1)
@settings(max_examples=300)
def test_times_go_to_the_database_and_back_to_the_microsecond(
    seconds: int, microseconds: int
) -> None:
    """A mark that was rounded up would hide jobs of the same moment."""
    time = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds, microseconds=microseconds)
    assert moment(time.timestamp()) == time


async def test_the_database_reads_the_same_times(database: str) -> None:
    differing = """
      select count(*) from generate_series(1, 20000) as n,
        lateral (select now() + n * interval '7919.000013 s' as at) as t
      where to_timestamp(date_part('epoch', t.at)) <> t.at
    """
    assert await value(database, differing) == 0
