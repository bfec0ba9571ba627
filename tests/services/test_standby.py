"""A synchronous standby that does not answer: what counts meanwhile, and what a failover keeps.

A cycle commits within its statement, so ``statement_timeout`` ends its wait for the standby, and
PostgreSQL goes on with a warning: the commit is on the disk of the primary alone.
"""

from collections import Counter

import anyio
import pytest
from anyio import to_thread
from structlog.testing import capture_logs

from baton import Job, Registry
from baton.errors import CommitUnconfirmed
from baton.store import door
from tests.chaos.server import Servers
from tests.services.test_node import all_final, running, until
from tests.services.test_promotion import servers
from tests.services.test_trouble import appeared, events
from tests.support import job, rows

pytestmark = pytest.mark.anyio

__all__ = ["servers"]


class Jobs:
    """A worker that counts what it performs, and waits until it is told to end."""

    def __init__(self) -> None:
        self.performed: Counter[int] = Counter()
        self.told = anyio.Event()
        self.registry = Registry()

        @self.registry.worker(name="count")
        async def count(job: Job) -> None:
            self.performed[job.id] += 1
            await self.told.wait()

    async def begun(self) -> bool:
        return len(self.performed) == 5


async def test_what_ends_while_the_standby_is_silent_counts_once_and_is_said_once(
    servers: Servers,
) -> None:
    """Nothing is lost or counted twice while the primary lives, nor later by a failover."""
    jobs, standby = Jobs(), servers.standby
    assert standby is not None
    with capture_logs() as logs:
        async with running(servers.dsn(), jobs.registry, statement_timeout=3) as (_, client):
            await client.insert_all([job("count")] * 5)
            await until(jobs.begun)
            await to_thread.run_sync(standby.crash)
            jobs.told.set()
            try:
                await until(all_final(servers.dsn()))
                await until(appeared(logs, "database.trouble"))
            finally:  # or a failed test would wait for it for ever
                await to_thread.run_sync(standby.start)
            await to_thread.run_sync(servers.in_sync)
            await client.insert(job("count"))
            await until(appeared(logs, "database.back"))
            await until(all_final(servers.dsn()))
    assert events(logs, "database.trouble", "database.back") == [
        "database.trouble",
        "database.back",
    ]
    [said] = [each for each in logs if each["event"] == "database.trouble"]
    assert said["reason"] == str(CommitUnconfirmed())
    await to_thread.run_sync(servers.fail_over)
    found = await rows(servers.dsn(), "select id, state::text, attempt from baton.jobs")
    assert {(state, attempt) for _, state, attempt in found} == {("completed", 1)}
    assert jobs.performed == Counter(job_id for job_id, *_ in found)


async def test_a_failover_to_a_standby_that_was_silent_runs_again_what_it_never_heard_of(
    servers: Servers,
) -> None:
    """Inserts waited for it and are there; ends did not, and the jobs have another one."""
    before, after, standby = Jobs(), Jobs(), servers.standby
    assert standby is not None
    after.told.set()
    with capture_logs() as logs:
        async with running(servers.dsn(), before.registry, statement_timeout=3) as (_, client):
            await client.insert_all([job("count")] * 5)
            await until(before.begun)
            await to_thread.run_sync(standby.crash)
            before.told.set()
            await until(all_final(servers.dsn()))
            await until(appeared(logs, "database.trouble"))
    await to_thread.run_sync(servers.primary.crash)
    await to_thread.run_sync(standby.start)
    await to_thread.run_sync(standby.promote)
    servers.primary, servers.standby = standby, None
    async with running(servers.dsn(), after.registry):
        await until(all_final(servers.dsn()))
    found = await rows(servers.dsn(), "select id, state::text from baton.jobs")
    assert found == [(job_id, "completed") for job_id in sorted(before.performed)]
    assert after.performed == before.performed


async def test_an_insert_through_a_pooler_that_is_cut_short_says_that_it_may_be_there(
    servers: Servers,
) -> None:
    """The statement is cancelled from this side, in the middle of its commit, and succeeds."""
    standby = servers.standby
    assert standby is not None
    await to_thread.run_sync(standby.crash)

    given = {"queue": "default", "worker": "count", "args": "{}"}

    def insert() -> None:
        conn = door.connect_sync(servers.dsn(), "baton", timeout=4, name="t", pooled=True)
        try:
            door.run_sync(conn, "baton", "job_insert_simple", given)
        finally:
            conn.close()

    with pytest.raises(CommitUnconfirmed) as caught:
        await to_thread.run_sync(insert)
    assert caught.value.maybe_done
    assert await rows(servers.dsn(), "select count(*) from baton.jobs") == [(1,)]
