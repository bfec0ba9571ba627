"""An error of an insert says whether the jobs may be there all the same."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import psycopg
import pytest

from baton import Client, SyncClient
from baton.errors import ConfigurationError, DatabaseError, DatabaseUnavailable, InvalidData
from baton.store.translation import translated
from tests.support import connection, job, value, waiters

pytestmark = pytest.mark.anyio

MANY = [job()] * 300
END = """
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock'
"""


async def cut(database: str, insert: Callable[[], Awaitable[Any]]) -> DatabaseError:
    """End the connection of an insert that waits for a lock; return what its program is told."""
    errors: list[DatabaseError] = []

    async def attempt() -> None:
        with pytest.raises(DatabaseUnavailable) as caught:
            await insert()
        errors.append(caught.value)

    async with connection(database) as holder, connection(database) as looking:
        async with anyio.create_task_group() as tasks, holder.transaction():
            await holder.execute("lock table baton.jobs")
            tasks.start_soon(attempt)
            with anyio.fail_after(60):
                while await waiters(looking) == 0:
                    await anyio.lowlevel.checkpoint()
            await looking.execute(END)
            with anyio.fail_after(60):
                while not errors:
                    await anyio.lowlevel.checkpoint()
    [error] = errors
    assert isinstance(error.__cause__, psycopg.Error)
    assert error.transient
    assert ("may have been done" in str(error)) == error.maybe_done
    return error


@pytest.mark.parametrize(("jobs", "doubtful"), [([job()], True), (MANY, False)])
async def test_a_connection_that_is_lost_before_the_answer_leaves_a_doubt(
    database: str, jobs: Any, doubtful: bool
) -> None:
    """Not for many: they are copied in a transaction whose commit was not sent yet."""
    async with Client(database) as client:
        assert (await cut(database, partial(client.insert_all, jobs))).maybe_done == doubtful
        await client.insert_all(jobs)
    with SyncClient(database) as sync_client:
        insert = partial(anyio.to_thread.run_sync, sync_client.insert_all, jobs)
        assert (await cut(database, insert)).maybe_done == doubtful
        await insert()
    assert await value(database, "select count(*) from baton.jobs") == 2 * len(jobs)


async def test_in_a_transaction_of_the_caller_there_is_no_doubt(database: str) -> None:
    async with Client(database) as client:
        conn = await psycopg.AsyncConnection.connect(database)
        error = await cut(database, partial(client.insert, job(), conn=conn))
        await conn.close()
    assert not error.maybe_done


async def test_a_commit_that_is_lost_leaves_a_doubt(database: str) -> None:
    """The lock is one that the commit waits for: of a deferred constraint."""
    async with connection(database) as conn:
        await conn.execute("create table guard (id int primary key)")
        await conn.execute(
            "create function wait_there() returns trigger language plpgsql as "
            "$$ begin lock table guard; return null; end $$"
        )
        await conn.execute(
            "create constraint trigger late after insert on baton.jobs deferrable initially "
            "deferred for each row execute function wait_there()"
        )
    async with Client(database) as client, connection(database) as holder:
        async with holder.transaction():
            await holder.execute("lock table guard")
            async with anyio.create_task_group() as tasks:

                async def attempt() -> None:
                    with pytest.raises(DatabaseUnavailable) as caught:
                        await client.insert_all(MANY)
                    assert caught.value.maybe_done

                tasks.start_soon(attempt)
                async with connection(database) as looking:
                    with anyio.fail_after(60):
                        while await waiters(looking) == 0:
                            await anyio.lowlevel.checkpoint()
                    await looking.execute(END)


async def test_what_the_database_refuses_was_not_done_and_never_will_be(database: str) -> None:
    async with Client(database) as client, connection(database) as conn:
        await conn.execute("alter table baton.jobs add check (worker <> 'no')")
        with pytest.raises(DatabaseError) as caught:
            await client.insert(job("no"))
    assert not caught.value.transient
    assert not caught.value.maybe_done


async def test_a_value_too_large_for_an_index_is_no_trouble_of_the_server(database: str) -> None:
    """PostgreSQL says the same of it as of a full queue of notifications."""
    async with connection(database) as conn:
        await conn.execute("create temporary table small (word text primary key)")
        with pytest.raises(InvalidData) as caught:
            with translated("baton"):
                await conn.execute(
                    "insert into small "
                    "select string_agg(md5(i::text), '') from generate_series(1, 200) as i"
                )
    assert not caught.value.transient


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:s3cr@et@127.0.0.1/db",
        "postgresql://user:s3cret/s3cret@127.0.0.1/db",
        "postgresql://user:s3cret?s3cret@127.0.0.1/db",
        "postgresql://user:s3cret%zz@127.0.0.1/db",
        "postgresql://user:s3cret@127.0.0.1:s3cret/db",
        "host=127.0.0.1 password=s3cret port=s3cret",
        "host=127.0.0.1 password='s3cret",
        "password=s3cret \0",
        "s3cret",
    ],
)
async def test_an_address_that_can_not_be_read_is_not_quoted(dsn: str) -> None:
    async def ask() -> None:
        await Client(dsn).insert(job())

    async def ask_sync() -> None:
        SyncClient(dsn).insert(job())

    for each in (ask, ask_sync):
        with pytest.raises((ConfigurationError, DatabaseUnavailable)) as caught:
            await each()
        for text in (str(caught.value), repr(caught.value), str(caught.value.__cause__)):
            assert "cret" not in text
            assert "s3" not in text
