"""What a job and a step cost the server, in counts, the same on every machine: they must not grow.

The bounds are about 1.25 times what was counted when they were written. Who raises one says why.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import pytest
from psycopg.conninfo import conninfo_to_dict

from baton import Client, Workflow
from baton.store import jobs as job_store
from baton.store.cycles import CycleConnection
from tests.store.explained import Explained, explained
from tests.support import Process, connection, insert_in, job, process, rows, value
from tests.wire import counting

__all__ = ["explained"]

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Bound:
    """What a batch, and one job or step of it, may cost."""

    batch: int
    statements: int
    records: float
    wal_bytes: float
    buffers: float

    def holds(self, explained: Explained, cycles: int = 1) -> None:
        each = cycles * self.batch
        assert explained.statements <= cycles * self.statements
        assert explained.wal("Records") / each <= self.records
        assert explained.wal("Bytes") / each <= self.wal_bytes
        assert explained.buffers / each <= self.buffers


@pytest.fixture
async def unpruned(database: str) -> AsyncIterator[None]:
    """Somebody looks at the database as it was, so that no dead row is taken away.

    How many are else depends on the transactions of other databases, those of other tests: while
    one of them goes on, the server does not ask anew which dead rows nobody can see.
    """
    async with connection(database) as conn:
        await conn.execute("begin isolation level repeatable read")
        await conn.execute("select 1")
        yield


CYCLES = 8


@pytest.mark.parametrize(
    "bound",
    [Bound(100, 5, 8.2, 1_000, 26), Bound(1, 5, 8.2, 1_000, 35)],
    ids=["hundred", "one"],
)
@pytest.mark.usefixtures("unpruned")
async def test_a_plain_job_is_written_twice_on_its_way(
    database: str, explained: Explained, bound: Bound
) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([job(args={"n": 1})] * 1_000)
        jobs = await worker.fetch(bound.batch)
        explained.forget()
        for _ in range(CYCLES):
            jobs = await worker.complete(*jobs, capacity=bound.batch)
        assert explained.written("jobs") == 2 * CYCLES * bound.batch
        # one look for a free row, one for each of the two writes
        assert explained.read("jobs") <= 3.1 * CYCLES * bound.batch
        assert explained.read("workflow_steps", "workflow_edges", "workflows") == 0
        bound.holds(explained, CYCLES)


@pytest.mark.parametrize(
    "bound",
    [Bound(100, 21, 20, 2_250, 120), Bound(1, 14, 23, 2_300, 130)],
    ids=["hundred", "one"],
)
@pytest.mark.usefixtures("unpruned")
async def test_a_step_costs_its_job_and_one_write_more(
    database: str, explained: Explained, bound: Bound
) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflows([diamond() for _ in range(4 * bound.batch)])
        jobs = await worker.fetch(bound.batch)
        steps = 0
        explained.forget()
        while jobs:
            steps += len(jobs)
            jobs = await worker.complete(*jobs, capacity=bound.batch)
        assert steps == 16 * bound.batch
        # a release of those that waited (3 of 4 steps) beside the claim and the end
        assert explained.written("jobs") == 2.75 * steps - bound.batch
        assert explained.written("workflow_steps") == steps
        assert explained.written("workflows") == steps / 4
        bound.holds(explained, steps // bound.batch)


@pytest.mark.parametrize("number", [1, 20, 100])
@pytest.mark.usefixtures("unpruned")
async def test_an_insert_is_one_statement_and_two_index_entries(
    database: str, explained: Explained, number: int
) -> None:
    """The least of three: a session that has missed too much news reads its catalogs anew."""
    counts = []
    async with Client(database) as client:
        await client.insert_all([job(args={"n": 1})] * number)
        for _ in range(3):
            explained.forget()
            await client.insert_all([job(args={"n": 1})] * number)
            counts.append(Explained([*explained.plans]))
    least = min(counts, key=lambda count: count.buffers)
    assert least.written("jobs") == number
    # the ids' sequence writes ahead again after a checkpoint, and a database that goes causes one
    Bound(number, 2, 3.3 + 1 / number, 440, 10).holds(least)


PLANS = """
  select sum(generic_plans), sum(custom_plans) from pg_prepared_statements
  where statement not like '%pg_prepared_statements%'
"""


@pytest.mark.parametrize("together", [1, 2, 5, 100])
async def test_inserts_that_go_together_are_not_planned_anew_each_time(
    database: str, together: int
) -> None:
    async with connection(database) as conn:
        await conn.set_autocommit(True)
        for _ in range(30):
            await job_store.insert(conn, "baton", [job(args={"n": 1})] * together, limit=1_000)
        [(generic, custom)] = await (await conn.execute(PLANS)).fetchall()
    assert generic >= 15  # the driver prepares at the sixth time, the server tries custom ones
    assert custom <= 5


@pytest.mark.usefixtures("unpruned")
async def test_steps_are_inserted_in_one_statement(database: str, explained: Explained) -> None:
    async with Client(database) as client:
        await client.insert_workflows([diamond() for _ in range(100)])
        explained.forget()
        await client.insert_workflows([diamond() for _ in range(100)])
    assert explained.written("workflow_steps") == 400
    assert explained.written("workflow_edges") == 400
    Bound(400, 1, 13, 1_350, 7.5).holds(explained)


async def test_a_cycle_is_one_round_trip_and_two_commits(server_dsn: str, database: str) -> None:
    async with Client(database) as client:
        await client.insert_all([job()] * 200)
    before = await commits(server_dsn, database)
    async with process(database) as holder, counting(database) as wire:
        cycles = CycleConnection(wire.dsn, "baton", timeout=30)
        await cycles.connect()
        worker = Process(cycles, holder.lease_connection, holder.lease)
        jobs = await worker.fetch(1)
        sent = wire.statements
        for _ in range(100):
            jobs = await worker.complete(*jobs, capacity=1)
        assert wire.statements - sent == 100
        await cycles.close()
    used = await commits(server_dsn, database) - before
    assert used <= 2 * 100 + 30  # sessions that come and go


async def test_every_state_of_a_job_is_in_two_indexes_at_most(database: str) -> None:
    predicates = await rows(
        database,
        """
        select coalesce(pg_get_expr(indpred, indrelid), 'true') from pg_index
        where indrelid = 'baton.jobs'::regclass
        """,
    )
    entries = {}
    async with Client(database) as client:
        for state in ("suspended", "scheduled", "available", "executing", "retryable", "completed"):
            inserted = await insert_in(database, client, state)
            query = " + ".join(f"({predicate})::integer" for (predicate,) in predicates)
            entries[state] = await value(
                database, f"select {query} from baton.jobs where id = %s", inserted.id
            )
    assert entries == {
        "suspended": 1,
        "scheduled": 2,
        "available": 2,
        "executing": 2,
        "retryable": 2,
        "completed": 1,
    }


def diamond() -> Workflow:
    return (
        Workflow()
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("c", job(), deps=["a"])
        .add("d", job(), deps=["b", "c"])
    )


async def commits(server_dsn: str, dsn: str) -> int:
    """The commits of sessions that have ended; the last thing that one does is to count them.

    It looks from another database, so that its own looks are not among them.
    """
    sessions = """
      select count(*) from pg_stat_activity
      where datname = %s and backend_type = 'client backend'
    """
    name = conninfo_to_dict(dsn)["dbname"]
    with anyio.fail_after(60):
        while await value(server_dsn, sessions, name):
            pass
    ended = "select xact_commit from pg_stat_database where datname = %s"
    return int(await value(server_dsn, ended, name))
