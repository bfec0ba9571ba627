"""A database in trouble: worker processes wait, say so once, and go on; clients say what is wrong.

Each trouble is a real one, of a real server; those that hit a whole server have one of their own.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from baton import Client, Job, Registry, SyncClient, Workflow
from baton.embedded import EmbeddedServer
from baton.errors import DatabaseUnavailable
from baton.store import databases
from baton.store.migrations import migrate
from tests.pgbouncer import pgbouncer
from tests.services.test_node import all_final, running, settings_for, until
from tests.support import connection, job, rows, value

pytestmark = pytest.mark.anyio

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "25",
    "superuser_reserved_connections": "3",
    "reserved_connections": "0",
    "max_notify_queue_pages": "64",
    "autovacuum": "off",
}


class OwnServer:
    """A server that may be stopped, started again and run out of things."""

    def __init__(self, directory: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        self._directory = directory
        self._settings = settings
        self._server: EmbeddedServer | None = None

    def start(self) -> None:
        self._server = EmbeddedServer.start(self._directory, self._settings)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    def dsn(self, database: str = "postgres") -> str:
        assert self._server is not None
        return self._server.dsn(database)


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    parent = Path(tempfile.mkdtemp(prefix="baton-trouble-", dir="/tmp"))
    parent.chmod(0o755)
    server = OwnServer(parent / "server")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(parent)


@pytest.fixture
def own_database(own: OwnServer) -> Iterator[str]:
    """A migrated database of that server, whose user is no superuser."""
    with psycopg.connect(own.dsn(), autocommit=True) as conn:
        conn.execute("do $$ begin create role worker login; exception when others then end $$")
    with databases.fresh(own.dsn()) as name:
        migrate(own.dsn(name))
        with psycopg.connect(own.dsn(name), autocommit=True) as conn:
            conn.execute("grant usage on schema baton to worker")
            conn.execute("grant all on all tables in schema baton to worker")
            conn.execute("grant all on all routines in schema baton to worker")
        yield own.dsn(name).replace("postgres@", "worker@")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system with little room; only root can make one."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system that gets full")
    place = Path(tempfile.mkdtemp(prefix="baton-disk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "tmpfs", place]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        place.rmdir()
        pytest.skip("this root may not mount a file system")
    try:
        data = place / "data"
        data.mkdir()
        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


class Jobs:
    """A worker that counts what it performs, and a step that waits and then returns much."""

    def __init__(self) -> None:
        self.performed: Counter[int] = Counter()
        self.holding = anyio.Event()
        self.told = anyio.Event()
        self.registry = Registry()

        @self.registry.worker(name="count")
        async def count(job: Job) -> None:
            self.performed[job.id] += 1

        @self.registry.worker(name="hold")
        async def hold(job: Job) -> str:
            self.performed[job.id] += 1
            self.holding.set()
            await self.told.wait()
            return os.urandom(100_000).hex()


def events(logs: Sequence[Any], *names: str) -> list[str]:
    return [each["event"] for each in logs if each["event"] in names]


def appeared(logs: Sequence[Any], name: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return bool(events(logs, name))

    return check


async def goes_through(
    database: str,
    *,
    begin: Callable[[], Awaitable[Any]],
    during: Callable[[Client], Awaitable[Any]],
    end: Callable[[], Awaitable[Any]],
    **settings: Any,
) -> None:
    """A worker lives through trouble: jobs from before, in hand and after it all run once.

    It says two lines, one when it begins and one when it is over.
    """
    jobs = Jobs()
    settings = {"lease_ttl": 300, **settings}  # however long the trouble is on a busy machine
    with capture_logs() as logs:
        async with running(database, jobs.registry, **settings) as (_, client):
            await client.insert_workflow(Workflow().add("hold", job("hold")))
            await jobs.holding.wait()
            await begin()
            jobs.told.set()  # it ends, and can't be acknowledged
            await until(appeared(logs, "database.trouble"))
            await during(client)
            await end()
            await until(appeared(logs, "database.back"))
            await client.insert_all([job("count")] * 20)
            await until(all_final(database))
            found = await rows(database, "select id, state::text, attempt from baton.jobs")
    assert {(state, attempt) for _, state, attempt in found} == {("completed", 1)}
    assert jobs.performed == Counter(job_id for job_id, *_ in found)
    assert len(found) == 21
    loud = [each["event"] for each in logs if each["log_level"] in {"warning", "error"}]
    # a renewal of the lease that was under way may fail when it is over for the cycles already
    assert loud in (["database.trouble"], ["database.trouble"] * 2)
    assert 1 <= len(events(logs, "database.back")) <= len(loud)


async def check_refused(client: Client, cause: type[psycopg.Error]) -> None:
    """Both clients say the same, and that nothing was inserted."""
    with pytest.raises(DatabaseUnavailable) as caught:
        await client.insert(job("count", args={"noise": os.urandom(20_000).hex()}))
    with closing(SyncClient(settings=client.settings)) as sync_client:
        with pytest.raises(DatabaseUnavailable) as caught_sync:
            await anyio.to_thread.run_sync(
                sync_client.insert, job("count", args={"noise": os.urandom(20_000).hex()})
            )
    for error in (caught.value, caught_sync.value):
        assert error.transient
        assert not error.maybe_done
        assert isinstance(error.__cause__, cause)
        assert "\n" not in str(error)


async def end_sessions(database: str) -> None:
    query = """
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()
    """
    await rows(database, query)


async def test_a_restart_of_the_server(own: OwnServer, own_database: str) -> None:
    await goes_through(
        own_database,
        begin=partial(anyio.to_thread.run_sync, own.stop),
        during=partial(check_refused, cause=psycopg.OperationalError),
        end=partial(anyio.to_thread.run_sync, own.start),
    )


async def test_a_server_that_takes_no_writes(database: str) -> None:
    """As a standby does, or a primary that was demoted; the connections have to be made anew."""
    name = str(await value(database, "select current_database()"))

    async def set_read_only(word: str) -> None:
        async with connection(database) as conn:
            await conn.execute("set default_transaction_read_only = off")
            await conn.execute(
                sql.SQL("alter database {} set default_transaction_read_only = {}").format(
                    sql.Identifier(name), sql.SQL(word)
                )
            )

    async def begin() -> None:
        await set_read_only("on")
        await end_sessions(database)

    await goes_through(
        database,
        begin=begin,
        during=partial(check_refused, cause=psycopg.errors.ReadOnlySqlTransaction),
        end=partial(set_read_only, "off"),
    )


@asynccontextmanager
async def no_room(own: OwnServer, database: str) -> AsyncIterator[None]:
    """Too many connections: all that are there end, and none may be made."""
    await limit_connections(own, 0)
    try:
        await end_sessions(own.dsn(urlsplit(database).path.removeprefix("/")))
        await until(partial(nobody_is_left, own))
        yield
    finally:
        await limit_connections(own, -1)


async def nobody_is_left(own: OwnServer) -> bool:
    query = "select count(*) from pg_stat_activity where usename = 'worker'"
    return await value(own.dsn(), query) == 0


async def limit_connections(own: OwnServer, count: int) -> None:
    async with connection(own.dsn()) as conn:
        await conn.execute(f"alter role worker connection limit {count}".encode())


async def test_too_many_connections(own: OwnServer, own_database: str) -> None:
    async with AsyncExitStack() as stack:
        await goes_through(
            own_database,
            begin=partial(stack.enter_async_context, no_room(own, own_database)),
            during=partial(check_refused, cause=psycopg.OperationalError),
            end=stack.aclose,
        )


async def test_statements_that_take_too_long(database: str) -> None:
    async with connection(database) as holder:
        await goes_through(
            database,
            begin=lambda: holder.execute("begin; lock table baton.jobs"),
            during=partial(check_refused, cause=psycopg.errors.QueryCanceled),
            end=lambda: holder.execute("rollback"),
            statement_timeout=4,
        )


async def nobody_is_in(own: OwnServer, name: str) -> bool:
    query = "select count(*) from pg_stat_activity where datname = %s"
    return await value(own.dsn(), query, name) == 0


async def test_a_full_disk(own: OwnServer, own_database: str, small_disk: Path) -> None:
    name = urlsplit(own_database).path.removeprefix("/")
    filler = small_disk / "filler"
    await until(partial(nobody_is_in, own, name))  # or it can't be moved
    async with connection(own.dsn()) as conn:
        await conn.execute(f"create tablespace small location '{small_disk}/data'".encode())
        await conn.execute(f'alter database "{name}" set tablespace small'.encode())
    try:

        async def fill() -> None:
            await anyio.to_thread.run_sync(fill_up, filler)

        await goes_through(
            own_database,
            begin=fill,
            during=partial(check_refused, cause=psycopg.errors.DiskFull),
            end=partial(anyio.to_thread.run_sync, filler.unlink),
        )
    finally:
        await until(partial(nobody_is_in, own, name))
        async with connection(own.dsn()) as conn:
            await conn.execute(f'alter database "{name}" set tablespace pg_default'.encode())
            await conn.execute("drop tablespace small")


async def test_a_restart_of_the_pooler(server_dsn: str, database: str) -> None:
    with pgbouncer(server_dsn) as pooler:
        await goes_through(
            database,
            begin=partial(anyio.to_thread.run_sync, pooler.kill),
            during=partial(check_refused, cause=psycopg.OperationalError),
            end=partial(anyio.to_thread.run_sync, pooler.start_again),
            dsn=pooler.dsn(database),
            listen_dsn=database,
        )


async def test_trouble_that_outlasts_the_lease(own: OwnServer, own_database: str) -> None:
    """The job in hand is abandoned before anybody else may start it, and the process goes on."""
    jobs = Jobs()
    with capture_logs() as logs:
        async with running(own_database, jobs.registry, lease_ttl=9) as (_, client):
            await client.insert_workflow(Workflow().add("hold", job("hold")))
            await jobs.holding.wait()
            async with no_room(own, own_database):
                await until(appeared(logs, "lease.given_up"))
                jobs.told.set()
            await until(appeared(logs, "database.back"))
            await until(all_final(own_database))
            await client.insert(job("count"))
            await until(all_final(own_database))
    [held, counted] = await rows(
        own_database, "select state::text, attempt from baton.jobs order by id"
    )
    assert held == ("completed", 2)
    assert counted == ("completed", 1)
    assert len(events(logs, "database.trouble")) == len(events(logs, "database.back")) == 1


async def test_a_pool_that_is_open_says_why_it_has_no_connection(
    own: OwnServer, own_database: str
) -> None:
    """psycopg's would say only that none came in time."""
    with SyncClient(settings=settings_for(own_database, statement_timeout=4)) as client:
        await anyio.to_thread.run_sync(client.insert, job("count"))
        async with no_room(own, own_database):
            for _ in range(3):  # a pool that tried more and more seldom would now be late
                with pytest.raises(DatabaseUnavailable, match="too many connections") as caught:
                    await anyio.to_thread.run_sync(client.insert, job("count"))
        assert not caught.value.maybe_done
        await anyio.to_thread.run_sync(client.insert, job("count"))
    assert await value(own_database, "select count(*) from baton.jobs") == 2


async def test_connections_that_a_restart_has_ended_are_not_lent(
    own: OwnServer, own_database: str
) -> None:
    settings = settings_for(own_database)
    with SyncClient(settings=settings) as sync_client:
        async with Client(settings=settings) as client:
            await client.insert(job("count"))
            await anyio.to_thread.run_sync(sync_client.insert, job("count"))
            await anyio.to_thread.run_sync(own.stop)
            await anyio.to_thread.run_sync(own.start)
            await client.insert(job("count"))
            await anyio.to_thread.run_sync(sync_client.insert, job("count"))
    assert await value(own_database, "select count(*) from baton.jobs") == 4
