"""Inserting: all or nothing, in order, in the caller's transaction, one notification a queue."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import psycopg
import pytest
from psycopg.rows import dict_row

import baton
from baton import Client, SyncClient, Workflow
from baton.errors import (
    CyclicWorkflow,
    DatabaseUnavailable,
    DuplicateWorkflow,
    InvalidJob,
    SchemaDamaged,
    SchemaMissing,
    SchemaTooNew,
    TooLarge,
    UnknownDependency,
)
from baton.settings import load
from baton.store.pools import Database, SyncDatabase
from tests.services.test_node import until
from tests.support import connection, heard, job, process, rows, value

pytestmark = pytest.mark.anyio


async def test_insert_returns_the_job_as_it_stands(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert(
            job(args={"a": [1, "ü"]}, meta={"m": 1}, tags=[" Mail ", "mail", "X"], priority=3)
        )
        assert await client.get_job(inserted.id) == inserted
    assert inserted.state == "available"
    assert inserted.args == {"a": [1, "ü"]}
    assert inserted.tags == ("mail", "x")
    assert (inserted.attempt, inserted.priority, inserted.meta) == (0, 3, {"m": 1})
    assert abs(inserted.inserted_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_future_jobs_are_scheduled_and_past_ones_available(database: str) -> None:
    now = datetime.now(UTC)
    async with Client(database) as client:
        inserted = await client.insert_all(
            [
                job(scheduled_at=now + timedelta(hours=1)),
                job(scheduled_at=now - timedelta(hours=1)),
                job(schedule_in=60.0, scheduled_at=now - timedelta(hours=1)),
                job(schedule_in=0.0),
            ]
        )
    assert [each.state for each in inserted] == ["scheduled", "available", "scheduled", "available"]


async def test_bulk_insert_returns_every_job_with_ids_in_order(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert_all([job(args={"n": n}) for n in range(5_000)])
        assert await client.insert_all([]) == []
    assert [each.args["n"] for each in inserted] == list(range(5_000))
    ids = [each.id for each in inserted]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ({"args": {"a": "x\x00"}}, InvalidJob, "NUL"),
        ({"args": {"a": object()}}, InvalidJob, "not JSON serializable"),
        ({"args": {"a": float("inf")}}, InvalidJob, "not JSON compliant"),
        ({"meta": {"a": "\ud800"}}, InvalidJob, "surrogate"),
        ({"args": {"a": "x" * 5_000_000}}, TooLarge, "max_args_bytes"),
    ],
)
async def test_a_bad_job_is_refused_with_the_reason_and_nothing_is_inserted(
    database: str, bad: dict[str, Any], error: type[Exception], words: str
) -> None:
    async with Client(database) as client:
        with pytest.raises(error, match=words):
            await client.insert_all([job(), job(**bad)])
    assert await value(database, "select count(*) from baton.jobs") == 0


@pytest.mark.parametrize("when", ["infinity", "-infinity", "20000-01-01", "0044-03-15"])
async def test_a_time_that_python_cannot_hold_is_kept_out_of_the_table(
    database: str, when: str
) -> None:
    async with Client(database) as client:
        inserted = await client.insert(job())
    with pytest.raises(psycopg.errors.CheckViolation):
        await rows(database, "update baton.jobs set scheduled_at = %s::timestamptz", when)
    with pytest.raises(InvalidJob, match="1901 to 8999"):
        job(scheduled_at=datetime.max.replace(tzinfo=UTC))
    assert inserted.id


async def test_a_missing_routine_names_the_command(database: str) -> None:
    async with process(database) as worker, connection(database) as conn:
        await conn.execute("drop function baton.fetch_jobs")
        with pytest.raises(SchemaDamaged, match=r"baton.fetch_jobs.*run: baton migrate$"):
            await worker.fetch()


async def test_the_limit_of_arguments_can_be_raised(database: str) -> None:
    async with Client(settings=load(dsn=database, max_args_bytes=6_000_000)) as client:
        inserted = await client.insert(job(args={"a": "x" * 5_000_000}))
    assert len(inserted.args["a"]) == 5_000_000


@pytest.mark.parametrize("commits", [True, False])
async def test_a_job_lives_and_dies_with_the_callers_transaction(
    database: str, commits: bool
) -> None:
    async with Client(database) as client, connection(database) as conn:
        async with conn.transaction(force_rollback=not commits):
            await client.insert(job(), conn=conn)
            await client.insert_workflow(Workflow("w").add("a", job()), conn=conn)
            assert await value(database, "select count(*) from baton.jobs") == 0
    assert await value(database, "select count(*) from baton.jobs") == (2 if commits else 0)
    assert await value(database, "select count(*) from baton.workflow_nodes") == int(commits)


@pytest.mark.parametrize("commits", [True, False])
def test_the_synchronous_twin_does_the_same(database: str, commits: bool) -> None:
    with SyncClient(database) as client, psycopg.connect(database) as conn:
        client.insert(job())
        client.insert(job(), conn=conn)
        client.insert_workflow(Workflow("w").add("a", job()).add("b", job(), deps=["a"]), conn=conn)
        if commits:
            conn.commit()
        else:
            conn.rollback()
        [count] = conn.execute("select count(*) from baton.jobs").fetchone() or (None,)
    assert count == (4 if commits else 1)


async def test_any_row_factory_of_the_callers_connection_will_do(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database, row_factory=dict_row) as conn:
        async with Client(database) as client:
            inserted = await client.insert(job(), conn=conn)
    assert inserted.id > 0


async def test_each_queue_is_notified_once_per_statement(database: str) -> None:
    async with connection(database) as listener, Client(database) as client:
        await listener.execute('listen "baton.jobs"')
        await client.insert_all([job(queue=queue) for queue in "abab"] + [job(schedule_in=60)])
        told = await heard(listener)
    assert sorted(told) == ["a", "b"]


async def test_a_workflow_is_inserted_whole_in_the_order_of_add(database: str) -> None:
    flow = (
        Workflow("w", debug=True, ignore_discarded=True)
        .add("last", job(), deps=["first"])
        .add("first", job(), ignore_discarded=False)
    )
    async with Client(database) as client:
        last, first = await client.insert_workflow(flow)
    assert (last.step_name, last.state) == ("last", "suspended")
    assert (first.step_name, first.state) == ("first", "available")
    assert first.id < last.id
    assert first.workflow_id == flow.workflow_id
    assert first.meta == {
        "workflow_id": str(flow.workflow_id),
        "workflow_name": "first",
        "workflow_label": "w",
        "workflow_debug": True,
    }
    found = await rows(
        database, "select step_name, ignore_discarded, deps from baton.workflow_nodes order by 1"
    )
    assert found == [("first", False, []), ("last", True, ["first"])]


@pytest.mark.parametrize(
    ("flow", "error"),
    [
        (Workflow().add("a", job(), deps=["b"]).add("b", job(), deps=["a"]), CyclicWorkflow),
        (Workflow().add("a", job(), deps=["ghost"]), UnknownDependency),
        (Workflow().add("a", job()).add("b", job(args={"x": "\x00"})), InvalidJob),
    ],
)
async def test_a_bad_workflow_leaves_nothing(
    database: str, flow: Workflow, error: type[Exception]
) -> None:
    async with Client(database) as client:
        with pytest.raises(error):
            await client.insert_workflow(flow)
    assert await value(database, "select count(*) from baton.workflows") == 0


async def test_a_workflow_id_can_be_used_once(database: str) -> None:
    flow = Workflow().add("a", job())
    async with Client(database) as client:
        await client.insert_workflow(flow)
        with pytest.raises(DuplicateWorkflow, match=str(flow.workflow_id)):
            await client.insert_workflow(flow)
    assert await value(database, "select count(*) from baton.jobs") == 1


async def test_a_workflow_of_ten_thousand_steps_is_inserted(database: str) -> None:
    flow = Workflow("wide").add("root", job())
    for index in range(9_999):
        flow.add(f"step{index}", job(), deps=["root"])
    async with Client(database) as client:
        assert len(await client.insert_workflow(flow)) == 10_000


async def test_an_unmigrated_database_is_told_in_one_sentence(empty_database: str) -> None:
    client = Client(empty_database)
    with pytest.raises(SchemaMissing, match=r"run: baton migrate$"):
        await client.insert(job())
    async with connection(empty_database) as conn:
        with pytest.raises(SchemaMissing, match=r"run: baton migrate$"):
            await client.insert(job(), conn=conn)
    await client.close()


async def test_a_newer_database_is_told_in_one_sentence(database: str) -> None:
    await rows(
        database,
        "insert into baton.migrations (name, checksum) values ('999_new', 'x') returning 1",
    )
    try:
        with pytest.raises(SchemaTooNew, match="999"):
            async with Client(database):
                pass
    finally:
        await rows(database, "delete from baton.migrations where name = '999_new' returning 1")


async def test_no_server_is_told_without_the_password() -> None:
    client = Client("postgresql://user:secret@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailable) as caught:
        await client.insert(job())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_client_that_is_used_from_many_sides_at_once_keeps_to_its_size(
    database: str,
) -> None:
    client = Client(settings=load(dsn=database, pool_size=3))
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(client.insert, job())
    query = "select count(*) from pg_stat_activity where application_name = 'baton'"
    open_now = await value(database, f"{query} and datname = current_database()")
    await client.close()
    assert 1 <= open_now <= 4  # the query's own is one
    assert await value(database, "select count(*) from baton.jobs") == 50


async def test_a_pool_whose_connections_are_all_lent_says_so(database: str) -> None:
    only: dict[str, Any] = {"timeout": 1.0, "size": 1}
    with closing(SyncDatabase(database, "baton", **only)) as few:
        await until(opened(lambda: anyio.to_thread.run_sync(few.run, "schema_version")))
        with few.connection(), pytest.raises(DatabaseUnavailable, match="raise pool_size"):
            await anyio.to_thread.run_sync(few.run, "schema_version")
    other = Database(database, "baton", **only)
    await until(opened(lambda: other.run("schema_version")))
    async with other, other.connection():
        with pytest.raises(DatabaseUnavailable, match="raise pool_size"):
            await other.run("schema_version")


def opened(run: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[bool]]:
    """Whether a pool that is patient for a second only has its connection, which is kept."""

    async def check() -> bool:
        try:
            await run()
        except DatabaseUnavailable:
            return False
        return True

    return check


async def test_a_client_goes_on_after_its_connections_were_cut(database: str) -> None:
    async with Client(database) as client:
        await client.insert(job())
        await rows(
            database,
            """
            select pg_terminate_backend(pid, 10000) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
            """,
        )
        await client.insert(job())
        await client.close()
        await client.insert(job())
    assert await value(database, "select count(*) from baton.jobs") == 3


def test_a_closed_client_can_be_used_again(database: str) -> None:
    client = SyncClient(database)
    client.insert(job())
    client.close()
    client.close()
    assert client.insert(job()).id == 2
    client.close()


async def test_the_default_client_is_made_from_the_environment(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_DSN", database)
    inserted = await baton.insert(job())
    assert inserted.state == "available"


def test_the_default_clients_leave_nothing_open_after_asyncio_run(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_DSN", database)
    for _ in range(2):
        asyncio.run(baton.insert(job()))
    others = """
      select count(*) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()
    """
    with psycopg.connect(database, autocommit=True) as conn:
        # a session outlives its connection for a moment
        while conn.execute(others.encode()).fetchone() != (0,):
            pass


async def test_what_is_due_soon_wakes_the_stagers_once(database: str) -> None:
    async with connection(database) as listener, Client(database) as client:
        await listener.execute('listen "baton.control"')
        await client.insert_all([job(), job(schedule_in=60)])
        await client.insert_all([job(schedule_in=0.5), job(schedule_in=1), job(schedule_in=60)])
        told = await heard(listener)
    assert told == ["due"]


@pytest.mark.parametrize(
    ("partition_by", "keys"),
    [
        ("worker", ["tests.worker", "tests.worker"]),
        ("args.tenant", ["a", ""]),
        ("meta.tenant", ["7", ""]),
        (None, [None, None]),
    ],
)
async def test_a_job_of_a_partitioned_queue_knows_its_partition(
    database: str, partition_by: str | None, keys: list[str | None]
) -> None:
    async with Client(database) as client, connection(database) as conn:
        await conn.execute(
            "insert into baton.queues (name, partition_by) values ('default', %s)", [partition_by]
        )
        await client.insert_all([job(args={"tenant": "a"}, meta={"tenant": 7}), job()])
        await client.insert_workflow(Workflow().add("a", job(args={"tenant": "a"})))
    found = await rows(database, "select partition_key from baton.jobs order by id limit 2")
    assert [key for (key,) in found] == keys
