"""Rescue: a dead process's jobs move, a live one's never do."""

import pytest

from baton.client import Client
from baton.workflows import Workflow
from tests.support import connection, job, process, rows, states, value

pytestmark = pytest.mark.anyio

RESCUE = "select leases, rescued, discarded from baton.rescue_jobs(%s, 0, 100)"
BACKDATE = "update baton.leases set renewed_at = now() - interval '1 h' where id = %s returning id"


async def test_a_live_process_keeps_its_jobs_however_slow_they_are(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        # silent for an hour, but its connection holds the advisory lock
        await rows(database, BACKDATE, worker.lease)
        assert await rows(database, RESCUE, 2.0) == [([], [], [])]


async def test_a_lost_connection_alone_is_not_death(database: str) -> None:
    """The keeper reconnects within the silence that is granted."""
    async with Client(database) as client:
        await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        worker.lease_connection.close()
        assert await rows(database, RESCUE, 2.0) == [([], [], [])]


async def test_a_silent_process_without_a_connection_is_dead(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        worker.lease_connection.close()
        await rows(database, BACKDATE, worker.lease)
        assert await rows(database, RESCUE, 2.0) == [([worker.lease], [inserted.id], [])]
    [(state, attempt, errors)] = await rows(
        database, "select state::text, attempt, errors from baton.jobs"
    )
    assert (state, attempt, errors[0]["kind"]) == ("available", 1, "rescued")


async def test_an_expired_lease_is_dead_although_its_connection_is_up(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        await rows(database, "update baton.leases set expires_at = now() returning id")
        [(leases, _, _)] = await rows(database, RESCUE, 60.0)
    assert leases == [worker.lease]


async def test_a_job_whose_attempts_are_used_up_is_discarded_with_its_dependents(
    database: str,
) -> None:
    flow = Workflow("loop").add("a", job(max_attempts=1)).add("b", job(), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
    async with process(database) as worker, connection(database) as conn:
        await worker.fetch()
        await conn.execute("delete from baton.leases")
        await conn.execute("select baton.rescue_jobs(60, 0, 100)")
        await conn.execute("select baton.sweep_releases(1, 0, 100)")
    assert await states(database) == {"a": "discarded", "b": "cancelled"}
    assert await value(database, "select state::text from baton.workflows") == "failed"


async def test_one_process_at_a_time_does_a_duty_and_not_more_often_than_asked(
    database: str,
) -> None:
    async with connection(database) as one, connection(database) as other:
        async with one.transaction():
            taken = await (await one.execute("select baton.take_duty('rescue', 0)")).fetchone()
            refused = await (await other.execute("select baton.take_duty('rescue', 0)")).fetchone()
        soon = await (await other.execute("select baton.take_duty('rescue', 60)")).fetchone()
        later = await (await other.execute("select baton.take_duty('rescue', 0)")).fetchone()
    assert (taken, refused, soon, later) == ((True,), (False,), (False,), (True,))


async def test_a_renewal_after_death_says_so(database: str) -> None:
    async with process(database) as worker:
        assert worker.lease_connection.renew(worker.lease)
        await rows(database, "delete from baton.leases returning id")
        assert not worker.lease_connection.renew(worker.lease)
