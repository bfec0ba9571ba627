"""``conn=`` takes what programs have: psycopg's, SQLAlchemy's and Django's connections, and joins
their transactions."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from django.db import connections, transaction
from django.utils.connection import ConnectionProxy
from psycopg.rows import dict_row
from psycopg.types.datetime import TimestamptzLoader
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from baton import Client, SyncClient, Workflow
from baton.errors import DatabaseError, DatabaseUnavailable, InvalidConnection
from tests.guests import django_alias, url
from tests.support import job, value

pytestmark = pytest.mark.anyio

COUNT = "select count(*) from baton.jobs"
FLOW = Workflow("w").add("a", job()).add("b", job(), deps=["a"])


def count(database: str) -> int:
    with psycopg.connect(database) as conn:
        [found] = conn.execute(COUNT).fetchone() or (0,)
    return int(found)


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("kind", ["session", "connection", "scoped", "raw"])
def test_11_and_12_a_job_lives_and_dies_with_the_transaction_of_sqlalchemy(
    database: str, kind: str, commits: bool, at_the_end: ExitStack
) -> None:
    """Also when the insert is the first thing done in it."""
    engine = create_engine(url(database))
    at_the_end.callback(engine.dispose)
    makers = {
        "session": lambda: Session(engine),
        "connection": engine.connect,
        "scoped": lambda: scoped_session(sessionmaker(engine)),
        "raw": engine.raw_connection,
    }
    conn: Any = makers[kind]()
    at_the_end.callback(conn.close)
    with SyncClient(database) as client:
        client.insert(job(), conn=conn)
        client.insert_all([job(), job()], conn=conn)
        client.insert_workflow(FLOW, conn=conn)
        assert count(database) == 0
        conn.commit() if commits else conn.rollback()
        assert count(database) == (5 if commits else 0)
        client.insert(job(), conn=conn)
        conn.commit()
        assert count(database) == (6 if commits else 1)


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("kind", ["session", "connection"])
async def test_11_and_12_a_job_lives_and_dies_with_an_async_transaction_of_sqlalchemy(
    database: str, kind: str, commits: bool
) -> None:
    engine = create_async_engine(url(database))
    async with Client(database) as client:
        made: Any = AsyncSession(engine) if kind == "session" else engine.connect()
        async with made as conn:
            await client.insert(job(), conn=conn)
            await client.insert_workflow(FLOW, conn=conn)
            assert await value(database, COUNT) == 0
            await (conn.commit() if commits else conn.rollback())
            assert await value(database, COUNT) == (3 if commits else 0)
            await client.insert(job(), conn=conn)
        assert await value(database, COUNT) == (3 if commits else 0)
    await engine.dispose()


async def test_blocks_of_sqlalchemy_decide_too_whole_and_nested(database: str) -> None:
    engine = create_async_engine(url(database))
    async with Client(database) as client:
        async with async_sessionmaker(engine).begin() as session:
            await session.execute(text("create table orders (number int)"))
            await client.insert(job(), conn=session)
            nested = await session.begin_nested()
            await client.insert(job(), conn=session)
            await nested.rollback()
            async with session.begin_nested():
                await client.insert(job(), conn=session)
        assert await value(database, COUNT) == 2
        with suppress(RuntimeError):
            async with engine.begin() as conn:
                await client.insert(job(), conn=conn)
                raise RuntimeError
        assert await value(database, COUNT) == 2
    await engine.dispose()


def test_savepoints_of_a_synchronous_session_decide_too(database: str) -> None:
    engine = create_engine(url(database))
    with SyncClient(database) as client, Session(engine) as session, session.begin():
        nested = session.begin_nested()
        client.insert(job(), conn=session)
        nested.rollback()
        client.insert(job(), conn=session)
    assert count(database) == 1
    engine.dispose()


def test_a_connection_of_sqlalchemy_in_autocommit_mode_commits_at_once(database: str) -> None:
    engine = create_engine(url(database), isolation_level="AUTOCOMMIT")
    with SyncClient(database) as client, engine.connect() as conn:
        client.insert(job(), conn=conn)
        assert count(database) == 1
    engine.dispose()


@pytest.mark.parametrize("commits", [True, False])
def test_11_and_12_a_job_lives_and_dies_with_an_atomic_block_of_django(
    database: str, commits: bool
) -> None:
    with SyncClient(database) as client, django_alias(database) as alias:
        with transaction.atomic(using=alias):
            inserted = client.insert(job(), conn=connections[alias])
            client.insert_workflow(FLOW, conn=connections[alias])
            assert count(database) == 0
            if not commits:
                transaction.set_rollback(True, using=alias)
    assert count(database) == (3 if commits else 0)
    assert inserted.inserted_at.tzinfo is not None  # Django's own loader takes it away


def test_nested_atomic_blocks_of_django_are_savepoints(database: str) -> None:
    with SyncClient(database) as client, django_alias(database) as alias:
        conn = connections[alias]
        with transaction.atomic(using=alias):
            client.insert(job(), conn=conn)
            with suppress(RuntimeError), transaction.atomic(using=alias):
                client.insert(job(), conn=conn)
                raise RuntimeError
    assert count(database) == 1


def test_outside_atomic_blocks_django_commits_at_once(database: str) -> None:
    with SyncClient(database) as client, django_alias(database) as alias:
        client.insert(job(), conn=connections[alias])
        assert count(database) == 1


def test_the_default_connection_of_django_is_taken_through_its_proxy(database: str) -> None:
    with SyncClient(database) as client, django_alias(database) as alias:
        proxy = ConnectionProxy(connections, alias)
        with transaction.atomic(using=alias):
            client.insert(job(), conn=proxy)
            assert count(database) == 0
    assert count(database) == 1


def test_a_broken_atomic_block_of_django_is_told(database: str) -> None:
    with SyncClient(database) as client, django_alias(database) as alias:
        with transaction.atomic(using=alias):
            transaction.set_rollback(True, using=alias)
            with pytest.raises(InvalidConnection, match="'atomic' block"):
                client.insert(job(), conn=connections[alias])


def test_a_database_of_django_that_is_not_postgresql_is_told(database: str, tmp_path: Path) -> None:
    # in a file: Django keeps a database in memory open for ever
    options = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "sqlite")}
    with SyncClient(database) as client, django_alias(database, **options) as alias:
        with pytest.raises(
            InvalidConnection, match=r"must be .* not django\.db\.backends\.sqlite3"
        ):
            client.insert(job(), conn=connections[alias])


@pytest.mark.parametrize("commits", [True, False])
def test_11_and_12_the_caller_decides_with_a_psycopg_connection_or_cursor(
    database: str, commits: bool
) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        with conn.cursor() as cursor:
            client.insert(job(), conn=cursor)
        client.insert(job(), conn=conn)
        conn.commit() if commits else conn.rollback()
    assert count(database) == (2 if commits else 0)


async def test_an_asynchronous_cursor_of_psycopg_will_do(database: str) -> None:
    async with Client(database) as client:
        async with await psycopg.AsyncConnection.connect(database) as conn, conn.cursor() as cursor:
            await client.insert(job(), conn=cursor)
            assert await value(database, COUNT) == 0
            await conn.commit()
    assert await value(database, COUNT) == 1


class Naive(TimestamptzLoader):
    def load(self, data: Any) -> Any:
        return super().load(data).replace(tzinfo=None)


def test_whatever_the_connection_is_set_up_to_do_our_statements_do_theirs(database: str) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        conn.row_factory = dict_row  # type: ignore[assignment]
        conn.cursor_factory = psycopg.ClientCursor
        conn.adapters.register_loader("timestamptz", Naive)
        conn.adapters.register_loader("int8", psycopg.types.numeric.FloatLoader)
        conn.adapters.register_dumper(list, psycopg.types.json.JsonDumper)
        conn.execute("create schema elsewhere")
        conn.execute("create table elsewhere.jobs (id int)")
        for path in ("''", "elsewhere", "pg_temp, elsewhere"):
            conn.execute(f"set local search_path = {path}".encode())
            inserted = client.insert(job(args={"a": [1]}), conn=conn)
            assert type(inserted.id) is int
            assert inserted.inserted_at.tzinfo is not None
            client.insert_workflow(
                Workflow("w").add("a", job()).add("b", job(), deps=["a"]), conn=conn
            )
    assert count(database) == 9


def test_an_asynchronous_connection_is_refused_by_the_synchronous_client(database: str) -> None:
    engine = create_async_engine(url(database))

    async def own() -> Any:
        async with await psycopg.AsyncConnection.connect(database) as conn:
            return conn

    with SyncClient(database) as client:
        for conn in (anyio.run(own), AsyncSession(engine)):
            with pytest.raises(InvalidConnection, match=r"asynchronous .* await insert\(\)"):
                client.insert(job(), conn=conn)


async def test_a_synchronous_connection_is_refused_by_the_asynchronous_client(
    database: str,
) -> None:
    engine = create_engine(url(database))
    async with Client(database) as client:
        with psycopg.connect(database) as conn, Session(engine) as session:
            with django_alias(database) as alias:
                for each in (conn, conn.cursor(), session, connections[alias]):
                    with pytest.raises(InvalidConnection, match=r"insert_sync\(\) instead"):
                        await client.insert(job(), conn=each)
    engine.dispose()


@pytest.mark.parametrize(
    "conn", [object(), "postgresql://", create_engine("postgresql+psycopg://"), Session]
)
async def test_what_is_no_connection_is_refused_with_what_it_is(database: str, conn: Any) -> None:
    async with Client(database) as client:
        with pytest.raises(InvalidConnection, match=f"not {type(conn).__module__}"):
            await client.insert(job(), conn=conn)
    with SyncClient(database) as sync_client:
        with pytest.raises(InvalidConnection, match=f"not {type(conn).__module__}"):
            sync_client.insert(job(), conn=conn)


def test_another_driver_is_refused_by_its_name(database: str) -> None:
    with SyncClient(database) as client:
        engine = create_engine("sqlite://")
        with engine.connect() as conn:
            with pytest.raises(InvalidConnection, match=r"postgresql\+psycopg.* on sqlite3"):
                client.insert(job(), conn=conn)
        engine.dispose()


async def test_a_closed_connection_is_told(database: str) -> None:
    conn = await psycopg.AsyncConnection.connect(database)
    await conn.close()
    engine = create_async_engine(url(database))
    closed = await engine.connect()
    await closed.close()
    async with Client(database) as client:
        for each in (conn, closed):
            with pytest.raises(InvalidConnection, match="closed"):
                await client.insert(job(), conn=each)
    await engine.dispose()


def test_a_session_without_a_database_is_told(database: str) -> None:
    with SyncClient(database) as client, Session() as session:
        with pytest.raises(InvalidConnection, match=r"can't be used: .*bind"):
            client.insert(job(), conn=session)


def test_a_session_that_cannot_connect_is_told(database: str) -> None:
    engine = create_engine("postgresql+psycopg://127.0.0.1:1/x")
    with SyncClient(database) as client, Session(engine) as session:
        with pytest.raises(DatabaseUnavailable):
            client.insert(job(), conn=session)


def test_a_transaction_that_has_failed_is_told_and_not_used(database: str) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        with pytest.raises(psycopg.Error):
            conn.execute("select 1 / 0")
        with pytest.raises(DatabaseError, match="aborted"):
            client.insert(job(), conn=conn)
