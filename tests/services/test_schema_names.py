"""Schemas with names that must be quoted, in everything that a program and a process do."""

from contextlib import aclosing

import anyio
import pytest

from baton import Client, Job, Registry, Unique, Workflow
from baton.embedded import binary
from baton.errors import ConfigurationError
from baton.events import WorkflowFinished
from baton.store import sql
from baton.store.doctor import Target, examine
from baton.store.dsns import psql_environment
from baton.store.maintenance import maintenance
from baton.store.migrations import down, migrate, script, version
from tests.roles import role
from tests.services.test_node import running, until
from tests.store.schema import ask, inventory, schemas
from tests.support import job, value

pytestmark = pytest.mark.anyio

NAMES = [
    'a"b; drop schema public cascade; --',
    "Upper",
    "two words",
    "größe/*",
    "dotted.name",
    '"quoted"',
    "{braces}:x",
    "select 1",
]


@pytest.mark.parametrize("schema", NAMES[:4])
async def test_a_worker_runs_in_it_and_nothing_else_is_touched(database: str, schema: str) -> None:
    before = inventory(database)
    migrate(database, schema=schema)
    assert migrate(database, schema=schema) == []
    assert schemas(database) == {"public", "baton", schema}
    registry = Registry()

    @registry.worker(name="first", cron="0 0 29 2 *")
    async def first(_job: Job) -> int:
        return 1

    flow = Workflow("w").add("a", job("first")).add("b", job("first"), deps=["a"])
    with role(database, "worker", schema=schema) as dsn:
        # so long between two looks that only notifications can wake the process
        async with running(dsn, registry, schema=schema, poll_interval=60) as (_, client):
            async with aclosing(
                client.events.subscribe_workflow(flow.workflow_id, seed=True)
            ) as events:
                await client.insert_workflow(flow)
                seen = [event async for event in events]
            assert isinstance(seen[-1], WorkflowFinished)
            await client.insert_many(job("first") for _ in range(10))
            await client.insert(job("first", unique=Unique(on_conflict="reschedule")))
            await client.queues.pause("default")
            await client.queues.resume("default")
            await client.crons.run_now("first")
            open_ = f"select count(*) from {sql.quoted(schema)}.jobs where state <> 'completed'"
            await until(lambda: _is_none(database, open_))
    with maintenance(database, schema=schema, warn=pytest.fail) as found:
        assert "jobs" in list(found.vacuum())
    examined = examine(Target(dsn=database, direct=database, schema=schema))
    assert {each.check for each in examined.findings} <= {"settings", "connections", "clock"}
    environment = psql_environment(database, schema)
    command = [binary("psql"), "-XAtc", "select count(*) from workflow_nodes"]
    assert (await anyio.run_process(command, env=environment)).stdout == b"2\n"
    down(database, schema=schema)
    assert schemas(database) == {"public", "baton"}
    assert inventory(database) == before


async def _is_none(database: str, query: str) -> bool:
    return int(await value(database, query)) == 0


async def test_the_printed_sql_makes_it(empty_database: str) -> None:
    for schema in NAMES:
        ask(empty_database, script(schema=schema))
        assert version(empty_database, schema=schema) is not None
        async with Client(empty_database, schema=schema) as client:
            await client.insert(job("w"))
    assert schemas(empty_database) == {"public", *NAMES}


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "it's",
        "a\\b",
        "a$$b",
        "100%",
        "a\nb",
        "a\0b",
        "pg_mine",
        "x" * 49,
        "ä" * 25,
        '"' * 25,
        "\ud800",
    ],
)
def test_what_would_spoil_a_literal_is_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="can't be used"):
        sql.check_schema(schema)
