"""Behind a real PgBouncer in transaction mode, with fewer server connections than clients."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import psycopg
import pytest

from baton import Client, Job, Registry, SyncClient
from baton.errors import DatabaseUnavailable
from baton.outcomes import Ack
from baton.settings import load
from baton.states import State
from baton.store import dsns
from baton.store.cycles import CycleConnection
from baton.store.leases import LeaseConnection
from baton.store.migrations import down, losses, migrate, pending, version
from baton.store.pools import Database, SyncDatabase
from baton.workflows import Workflow
from tests.e2e.test_worker_process import (
    APP,
    STATE,
    appears,
    exit_of,
    job,
    log_of,
    until,
    worker,
)
from tests.pgbouncer import POOL_SIZE, PgBouncer, pgbouncer
from tests.services.test_node import all_final, running
from tests.services.test_node import until as until_true
from tests.store.schema import EVERYTHING
from tests.support import connection, rows, value

pytestmark = pytest.mark.anyio

SESSION = """
  select
    current_setting('statement_timeout'), current_setting('tcp_user_timeout'),
    current_setting('search_path'), current_setting('synchronous_commit'),
    (select count(*) from pg_prepared_statements),
    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
    (select count(*) from pg_listening_channels())
"""
SESSIONS = """
  select count(*) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@pytest.fixture
def pooler(server_dsn: str) -> Iterator[PgBouncer]:
    with pgbouncer(server_dsn) as started:
        yield started


@pytest.fixture
def pooled(pooler: PgBouncer, database: str) -> str:
    """The DSN of the test's database, through the pooler."""
    return pooler.dsn(database)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def check_sessions(pooled: str, database: str) -> None:
    """Every session of the pooler is as it was when it began; no other client finds a trace."""
    with psycopg.connect(database) as fresh:
        expected = fresh.execute(SESSION).fetchone()
    with ExitStack() as stack:
        found = set()
        for _ in range(POOL_SIZE):  # all at once, so that each looks at a session of its own
            conn = stack.enter_context(psycopg.connect(pooled, prepare_threshold=None))
            found.add(conn.execute("select pg_backend_pid()").fetchone())
            assert conn.execute(SESSION).fetchone() == expected
        assert len(found) == POOL_SIZE


def check_logs(pooler: PgBouncer, app: Path | None = None) -> None:
    said = pooler.log() + ((app / "log").read_text() if app else "")
    assert "prepared statement" not in said
    assert "unsupported" not in said


async def test_a_worker_without_listening_completes_a_workflow_and_leaves_no_trace(
    pooler: PgBouncer, pooled: str, database: str, app: Path
) -> None:
    flow = Workflow("w").add("a", job("quick"))
    for number in range(30):
        flow.add(str(number), job("quick"), deps=["a"])
    async with Client(settings=load(dsn=pooled, pooled=True)) as client:
        await client.insert_workflow(flow)
        await client.insert_all([job("quick") for _ in range(50)])
    with worker(pooled, app, "--no-listen", "--poll-interval", "0.2") as process:
        await until(database, STATE, "completed")
        assert await value(database, "select guarded from baton.leases") is False
        # those of this test end a moment after they were closed
        await until(database, f"select ({SESSIONS}) <= {POOL_SIZE}", True)
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0
    assert "listener.off" in [line["event"] for line in log_of(app)]
    check_logs(pooler, app)
    check_sessions(pooled, database)


async def test_with_a_listen_dsn_a_worker_is_woken_at_once_and_its_lease_is_guarded(
    pooler: PgBouncer, pooled: str, database: str, app: Path
) -> None:
    options = ("--listen-dsn", database, "--poll-interval", "3600")
    with worker(pooled, app, *options):
        await until(database, "select count(*) from baton.leases where guarded", 1)
        async with Client(settings=load(dsn=pooled, listen_dsn=database)) as client:
            for _ in range(10):  # each of them would wait for an hour
                await client.insert(job("quick"))
                await until(database, STATE, "completed")
        direct = """
          select array_agg(distinct application_name order by application_name)
          from pg_stat_activity
          where application_name in ('baton lease', 'baton listen')
            and datname = current_database()
        """
        assert await value(database, direct) == ["baton lease", "baton listen"]
    check_logs(pooler, app)
    check_sessions(pooled, database)


@pytest.mark.parametrize("where", ["pooled", "direct"])
async def test_a_pooler_that_nobody_spoke_of_is_noticed(
    pooled: str, database: str, app: Path, where: str
) -> None:
    with worker(pooled if where == "pooled" else database, app) as process:
        await until(database, "select count(*) from baton.leases", 1)
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0
    found = [line for line in log_of(app) if line["event"] == "pooler.found"]
    assert [line["level"] for line in found] == (["warning"] if where == "pooled" else [])


async def test_without_listening_what_others_say_is_found_by_polling(pooled: str) -> None:
    """A cancellation reaches the running code, a paused queue rests, near jobs come in time."""
    registry = Registry()
    begun = anyio.Event()
    cancelled = anyio.Event()

    @registry.worker()
    async def never_ends(_job: Job) -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    @registry.worker()
    async def nothing(_job: Job) -> None: ...

    async with running(pooled, registry, no_listen=True, poll_interval=0.1) as (_, client):
        endless = await client.insert(never_ends.new())
        await client.insert(nothing.with_options(schedule_in=0.3).new())
        with anyio.fail_after(60):
            await begun.wait()
            await client.cancel_job(endless.id)
            await cancelled.wait()
        await until_true(all_final(pooled))


async def test_twenty_programs_insert_at_once_through_three_sessions(
    pooler: PgBouncer, pooled: str, database: str
) -> None:
    """Each statement more often than psycopg waits before it prepares one."""
    settings = load(dsn=pooled, pooled=True)

    async def insert() -> None:
        async with Client(settings=settings) as client:
            for _ in range(10):
                await client.insert(job("w"))
                await client.insert_all([job("w"), job("w")])

    def insert_sync() -> None:
        with SyncClient(settings=settings) as client:
            for _ in range(10):
                client.insert(job("w"))
                client.insert_workflow(Workflow().add("a", job("w")))

    with ThreadPoolExecutor(10) as threads:
        running = [threads.submit(insert_sync) for _ in range(10)]
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(insert)
        for each in running:
            await anyio.to_thread.run_sync(each.result)
    assert await value(database, "select count(*) from baton.jobs") == 10 * 30 + 10 * 20
    check_logs(pooler)
    check_sessions(pooled, database)


async def test_many_jobs_are_copied_through_the_pooler_and_a_copy_is_bounded(
    pooler: PgBouncer, pooled: str, database: str
) -> None:
    settings = load(dsn=pooled, pooled=True)
    jobs, few = [job("w")] * 2_000, [job("w")] * 20
    async with Client(settings=settings) as client:
        assert await client.insert_many(jobs) == 2_000
        assert len(await client.insert_all(jobs)) == 2_000
        with SyncClient(settings=settings) as sync_client:
            assert await anyio.to_thread.run_sync(sync_client.insert_many, jobs) == 2_000
    bounded = settings.model_copy(update={"statement_timeout": 3})
    with SyncClient(settings=bounded) as sync_client:
        async with Client(settings=bounded) as client:
            async with connection(database) as holder, holder.transaction():
                await holder.execute("lock table baton.jobs")
                with pytest.raises(DatabaseUnavailable, match="longer than 3 s"):
                    await client.insert_many(jobs)
                with pytest.raises(DatabaseUnavailable, match="cancel"):
                    await anyio.to_thread.run_sync(sync_client.insert_many, jobs)
            assert await client.insert_many(few) == 20
            assert await anyio.to_thread.run_sync(sync_client.insert_many, few) == 20
    assert await value(database, "select count(*) from baton.jobs") == 3 * 2_000 + 2 * 20
    check_logs(pooler)
    check_sessions(pooled, database)


async def test_the_cycle_commits_between_its_halves_through_the_pooler(
    pooled: str, database: str
) -> None:
    """Others see the acknowledgement while the second half still waits for a lock."""
    flow = Workflow().add("a", job("w")).add("b", job("w"), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
    cycles = CycleConnection(pooled, "baton", timeout=30, pooled=True)
    lease = LeaseConnection(pooled, "baton", ttl=60, timeout=30, pooled=True)
    await cycles.connect()
    try:
        lease_id = lease.acquire("tests", {"default": 10})
        [first] = (await cycles.cycle(lease_id, [], {"default": 1})).jobs
        ack = Ack(id=first.id, epoch=first.epoch, state=State.COMPLETED, step=True)
        async with anyio.create_task_group() as tasks:
            async with connection(database) as holder, holder.transaction():
                await holder.execute("lock table baton.workflow_edges")
                tasks.start_soon(cycles.cycle, lease_id, [ack], {"default": 1})
                await until(
                    database,
                    f"select state::text from baton.jobs where id = {first.id}",
                    "completed",
                )
                found = await value(database, "select count(*) from baton.workflow_releases")
                assert found == 1
        await until(database, "select count(*) from baton.workflow_releases", 0)
        assert (
            await value(database, "select count(*) from baton.jobs where state = 'executing'") == 1
        )
    finally:
        await cycles.close()
        lease.close()


async def test_a_killed_worker_behind_the_pooler_is_rescued_when_its_lease_has_ended(
    pooled: str, database: str, app: Path
) -> None:
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    options = ("--no-listen", "--poll-interval", "0.2")
    with worker(pooled, app, *options, "--lease-ttl", "5") as first:
        await appears(app / "a.1.begun")
        first.kill()
        with worker(pooled, app, *options):
            await appears(app / "a.2.begun")
            (app / "a.go").touch()
            await until(database, STATE, "completed")
    [(attempt, errors)] = await rows(database, "select attempt, errors from baton.jobs")
    assert (attempt, [error["kind"] for error in errors]) == (2, ["rescued"])


async def test_a_process_that_lost_the_database_stops_its_jobs_before_others_start_them(
    pooler: PgBouncer, pooled: str, database: str
) -> None:
    """Its network is cut, and nobody tells it: not the server, not the connection."""
    registry = Registry()
    events: list[str] = []
    begun = anyio.Event()

    @registry.worker()
    async def never_ends_at_first(job: Job) -> None:
        events.append(f"attempt {job.attempt} began")
        begun.set()
        if job.attempt == 1:
            try:
                await anyio.sleep_forever()
            finally:
                events.append("attempt 1 was stopped")

    lost = {"no_listen": True, "lease_ttl": 6, "poll_interval": 0.2}
    async with running(pooled, registry, **lost):
        async with Client(database) as client:
            await client.insert(never_ends_at_first.new())
        with anyio.fail_after(60):
            await begun.wait()
        async with running(database, registry):
            pooler.pause()
            try:
                await until_true(all_final(database))
            finally:
                pooler.resume()
    assert events == ["attempt 1 began", "attempt 1 was stopped", "attempt 2 began"]


def test_migrations_go_up_and_down_through_the_pooler_by_several_at_once(
    pooler: PgBouncer, empty_database: str
) -> None:
    pooled = pooler.dsn(empty_database)
    assert pending(pooled) == EVERYTHING
    with ThreadPoolExecutor(6) as threads:
        applied = list(threads.map(lambda _: migrate(pooled), range(6)))
    assert sorted(applied) == [*[[]] * 5, EVERYTHING]
    assert version(pooled) == version(empty_database)
    assert losses(pooled).jobs == 0
    assert down(pooled).names
    assert version(empty_database) is None
    check_logs(pooler)
    check_sessions(pooled, empty_database)


async def test_a_statement_that_takes_too_long_is_cancelled_through_the_pooler(
    pooler: PgBouncer, pooled: str, database: str
) -> None:
    """No statement_timeout can be set there, so the time limit is kept on this side."""
    params = {"lease": 0, "known": []}
    async with connection(database) as holder, holder.transaction():
        await holder.execute("lock table baton.jobs")
        async with await Database(pooled, "baton", timeout=3, pooled=True).open() as both:
            with pytest.raises(DatabaseUnavailable, match="longer than 3 s"):
                await both.run("job_return_lost", params)
            async with both.connection() as conn:  # it is fit for use
                assert (await (await conn.execute("select 1")).fetchone()) == (1,)
        sync = SyncDatabase(pooled, "baton", timeout=3, pooled=True).open()
        try:
            with pytest.raises(DatabaseUnavailable, match="cancel"):
                await anyio.to_thread.run_sync(sync.run, "job_return_lost", params)
        finally:
            sync.close()
        waiting = """
          select count(*) from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'
        """
        await until(database, waiting, 0)
    check_sessions(pooled, database)


def test_psql_is_given_no_search_path_where_the_pooler_would_refuse_it(pooled: str) -> None:
    environment = dsns.psql_environment(pooled, "baton", pooled=True)
    assert environment["PGOPTIONS"] == ""
