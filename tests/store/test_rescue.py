"""Rescue: a dead process's jobs move, a live one's never do."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest

from baton.client import Client
from baton.embedded import EmbeddedServer
from baton.store.migrations import migrate
from baton.workflows import Workflow
from tests.services.test_node import until
from tests.support import connection, job, process, rows, states, value

pytestmark = pytest.mark.anyio

RESCUE = "select leases, rescued, discarded from baton.rescue_jobs(%s, 0, 100)"
# and it stays so, however long a slow machine takes to look
JUST_NOW = "update baton.leases set renewed_at = now() + interval '1 h' where id = %s returning id"
BACKDATE = "update baton.leases set renewed_at = now() - interval '1 h' where id = %s returning id"


async def test_a_live_process_keeps_its_jobs_however_slow_they_are(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        # silent for an hour, but its connection holds the advisory lock
        await rows(database, BACKDATE, worker.lease)
        assert await rows(database, RESCUE, 0.0) == [([], [], [])]  # the server may be young itself


async def test_a_lost_connection_alone_is_not_death(database: str) -> None:
    """The keeper reconnects within the silence that is granted."""
    async with Client(database) as client:
        await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        worker.lease_connection.close()
        await rows(database, JUST_NOW, worker.lease)
        assert await rows(database, RESCUE, 2.0) == [([], [], [])]


async def test_a_process_never_takes_itself_for_dead(database: str) -> None:
    """After a failover its connection for jobs may be back before that which holds its lease."""
    free = """
      select count(*) = 0 from pg_locks
      where locktype = 'advisory'
        and database = (select own.oid from pg_database as own where datname = current_database())
    """
    rescue = "select leases from baton.rescue_jobs(0, 0, 100, own => %s)"
    async with process(database) as worker:
        worker.lease_connection.close()
        await rows(database, BACKDATE, worker.lease)
        await until(lambda: value(database, free))
        assert await rows(database, rescue, worker.lease) == [([],)]
        assert await rows(database, rescue, None) == [([worker.lease],)]


async def test_a_silent_process_without_a_connection_is_dead(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())
    async with process(database) as worker:
        await worker.fetch()
        worker.lease_connection.close()
        await rows(database, BACKDATE, worker.lease)
        found: list[Any] = []

        async def is_rescued() -> bool:
            # the server may not have noticed yet, or have started less than 2 s ago itself
            found[:] = await rows(database, RESCUE, 2.0)
            return found != [([], [], [])]

        await until(is_rescued)
        assert found == [([worker.lease], [inserted.id], [])]
    [(state, attempt, errors)] = await rows(
        database, "select state::text, attempt, errors from baton.jobs"
    )
    assert (state, attempt, errors[0]["kind"]) == ("available", 1, "rescued")
    assert errors[0]["scheduled_at"] <= errors[0]["attempted_at"] <= errors[0]["at"]


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


async def test_a_duty_is_free_at_once_when_the_process_that_was_doing_it_is_gone(
    database: str,
) -> None:
    async with connection(database) as one, connection(database) as other:
        await one.execute("begin")
        taken = await (await one.execute("select baton.take_duty('rescue', 60)")).fetchone()
        assert taken == (True,)
        await other.execute("select pg_terminate_backend(%s)", (one.info.backend_pid,))
        with anyio.fail_after(60):
            # it had not finished, so that it has just run holds nobody up
            again = "select baton.take_duty('rescue', 60)"
            while await (await other.execute(again)).fetchone() != (True,):
                pass


@pytest.fixture
def home() -> Iterator[Path]:
    """Where a server may have its data; that of root runs as nobody."""
    with TemporaryDirectory(prefix="baton-restart-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "server"


async def test_a_restart_of_the_server_is_nobodys_death(home: Path) -> None:
    """All connections were cut at once, and whoever is back first must not take it for death."""
    with EmbeddedServer.start(home, {"fsync": "off"}) as server:
        migrate(server.dsn())
        async with Client(server.dsn()) as client:
            await client.insert(job())
        async with process(server.dsn(), ttl=3_600) as worker:
            await worker.fetch()
            await rows(server.dsn(), BACKDATE, worker.lease)
    with EmbeddedServer.start(home, {"fsync": "off"}) as server:
        assert await rows(server.dsn(), RESCUE, 3_000) == [([], [], [])]
        # that long after the start it would be
        assert await rows(server.dsn(), RESCUE, 0) == [([worker.lease], [1], [])]


async def test_a_renewal_after_death_says_so(database: str) -> None:
    async with process(database) as worker:
        assert worker.lease_connection.renew(worker.lease)
        await rows(database, "delete from baton.leases returning id")
        assert not worker.lease_connection.renew(worker.lease)
