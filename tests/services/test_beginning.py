"""A process that begins while its database is away waits for it; one that is refused does not."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import psycopg
import pytest
from structlog.testing import capture_logs

from baton import Client, Job, Registry
from baton.errors import AccessRefused, DatabaseUnavailable, SchemaMissing
from baton.node import Node
from baton.store.migrations import migrate
from tests.services.test_node import all_final, settings_for, until
from tests.services.test_trouble import SETTINGS, OwnServer, appeared, events
from tests.support import job, rows
from tests.wire import Wire, counting

pytestmark = pytest.mark.anyio

HOUR = 3_600
HBA = """
local all postgres trust
local all locked reject
local all all scram-sha-256
"""


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    """A server with Baton's tables that wants to know who comes."""
    parent = Path(tempfile.mkdtemp(prefix="baton-beginning-", dir="/tmp"))
    parent.chmod(0o755)
    (parent / "pg_hba.conf").write_text(HBA)
    server = OwnServer(parent / "server", {**SETTINGS, "hba_file": str(parent / "pg_hba.conf")})
    server.start()
    try:
        migrate(server.dsn())
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("create role worker login password 'right'")
            conn.execute("create role sleeper password 'right'")
            conn.execute("create database closed")
            conn.execute("revoke connect on database closed from public")
        yield server
    finally:
        server.stop()
        shutil.rmtree(parent)


@asynccontextmanager
async def beginning(database: str, **changes: Any) -> AsyncIterator[tuple[Node, anyio.Event]]:
    """A node that begins, and the event of its orderly end."""
    registry = Registry()

    @registry.worker(name="count")
    async def count(_job: Job) -> None: ...

    settings = {"database_wait": HOUR, **changes}
    node = Node(settings_for(database, **settings), registry)
    ended = anyio.Event()

    async def run() -> None:
        assert await node.run()
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield node, ended
        node.stop()


async def test_a_process_waits_for_a_server_that_is_started_later(own: OwnServer) -> None:
    database = own.dsn()
    await anyio.to_thread.run_sync(own.stop)
    with capture_logs() as logs:
        async with beginning(database) as (node, _):
            await until(appeared(logs, "database.trouble"))
            assert node.health().facts["reason"] == "it waits for the database"
            await anyio.to_thread.run_sync(own.start)
            await until(appeared(logs, "worker.started"))
            assert node.health().ok
            async with Client(database) as client:
                await client.insert(job("count"))
            await until(all_final(database))
    assert await rows(database, "select distinct state::text from baton.jobs") == [("completed",)]
    said = events(logs, "database.trouble", "database.back", "worker.started")
    assert said == ["database.trouble", "database.back", "worker.started"]
    assert [each["noticed_by"] for each in logs if "noticed_by" in each] == ["start"]


async def test_a_process_waits_for_a_server_that_takes_no_writes_yet(own: OwnServer) -> None:
    """As a standby does that is to be promoted: the schema is there, and a lease can't be taken."""
    database = f"{own.dsn()}&options={quote('-c default_transaction_read_only=on')}"
    with capture_logs() as logs:
        async with beginning(database) as (_, ended):
            await until(appeared(logs, "database.trouble"))
            assert not ended.is_set()
    [said] = [each for each in logs if each["event"] == "database.trouble"]
    assert "takes no writes" in said["reason"]


@pytest.mark.parametrize("trouble", [Wire.hold, Wire.refuse])
async def test_a_process_that_waits_ends_as_soon_as_it_is_told_to(
    database: str, trouble: Callable[[Wire], None]
) -> None:
    async with counting(database) as wire:
        trouble(wire)
        dsn = f"{wire.dsn} connect_timeout={HOUR} tcp_user_timeout={HOUR * 1000}"
        async with beginning(dsn, grace=HOUR) as (node, ended):
            await trouble_begins(wire, node)
            node.stop()
            with anyio.fail_after(60):
                await ended.wait()
        wire.pass_on()


async def trouble_begins(wire: Wire, node: Node) -> None:
    async def reached() -> bool:
        return wire.is_held or node.health().facts["reason"] == "it waits for the database"

    await until(reached)
    await anyio.wait_all_tasks_blocked()


async def test_it_waits_no_longer_than_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for("postgresql://127.0.0.1:1/x", database_wait=HOUR)
    with capture_logs() as logs:
        # the time is over once it has begun to wait
        clock = "baton.services.beginning.monotonic"
        monkeypatch.setattr(clock, lambda: HOUR * len(events(logs, "database.trouble")))
        with pytest.raises(DatabaseUnavailable) as caught:
            await Node(settings, Registry()).run()
    assert not isinstance(caught.value, AccessRefused)
    assert events(logs, "database.trouble") == ["database.trouble"]


@pytest.mark.parametrize(
    ("user", "database", "words"),
    [
        ("worker:wrong", "postgres", "password authentication failed"),
        ("worker", "postgres", "no password supplied"),
        ("nobody:right", "postgres", "authentication failed"),
        ("sleeper:right", "postgres", "not permitted to log in"),
        ("locked:right", "postgres", "pg_hba.conf rejects"),
        ("worker:right", "nowhere", "does not exist"),
        ("worker:right", "closed", "permission denied for database"),
    ],
)
async def test_a_process_that_is_refused_ends_at_once(
    own: OwnServer, user: str, database: str, words: str
) -> None:
    dsn = own.dsn(database).replace("postgres@", f"{user}@")
    settings = settings_for(dsn, database_wait=HOUR)
    with capture_logs() as logs, pytest.raises(AccessRefused, match=words) as caught:
        await Node(settings, Registry()).run()
    assert not caught.value.transient
    assert not events(logs, "database.trouble")
    assert "right" not in str(caught.value).replace("rights", "")


async def test_a_schema_that_is_missing_is_not_waited_for(empty_database: str) -> None:
    with pytest.raises(SchemaMissing):
        await Node(settings_for(empty_database, database_wait=HOUR), Registry()).run()
