"""A cycle of n jobs looks at O(n) rows, whatever the planner believes of the tables.

What it believes is always from another moment: from before the backlog, or from before the drain.
Every node of every plan is held to a bound that no scan of a table stays below, and no join of
everything with everything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from baton import Client, Workflow
from baton.jobs import Job
from baton.outcomes import Ack
from baton.states import State
from baton.store.migrations import migrate
from tests.store.explained import Explained, explained
from tests.store.test_costs import diamond
from tests.support import done, ended, job, process

__all__ = ["explained"]

pytestmark = pytest.mark.anyio

JOBS = 10_000
FLOWS = 500
TABLES = ("jobs", "workflows", "workflow_steps", "workflow_edges", "workflow_releases")
ERROR = '{"kind": "ValueError", "message": "no"}'

beliefs = pytest.mark.parametrize(
    "belief", ["never analyzed", "empty", "available", "completed", "millions"]
)
batches = pytest.mark.parametrize("batch", [1, 100, 1_000])


def mixed(each: Job) -> Ack:
    """The ends of jobs in turn: discarded, to be tried again, completed."""
    if each.id % 3 == 0:
        return ended(each, State.DISCARDED, error=ERROR)
    if each.id % 3 == 1:
        return ended(each, State.RETRYABLE, error=ERROR, delay=3_600.0)
    return done(each)


@beliefs
@batches
async def test_a_cycle_of_plain_jobs(
    database: str, explained: Explained, belief: str, batch: int
) -> None:
    async with Client(database) as client, process(database) as worker:
        with believing(database, belief):
            await client.insert_all([job(args={"n": 1})] * JOBS)
        executing = await worker.fetch(JOBS // 2)
        explained.forget()
        for start in (0, batch, 2 * batch):
            await worker.complete(*executing[start : start + batch], capacity=batch)
            within(explained, batch)


@beliefs
@batches
async def test_a_cycle_of_jobs_that_fail(
    database: str, explained: Explained, belief: str, batch: int
) -> None:
    async with Client(database) as client, process(database) as worker:
        with believing(database, belief):
            await client.insert_all([job(args={"n": 1})] * JOBS)
        executing = await worker.fetch(JOBS // 2)
        explained.forget()
        for start in (0, batch, 2 * batch):
            acks = [mixed(each) for each in executing[start : start + batch]]
            assert len(await worker.acknowledge(*acks)) == batch
            within(explained, batch)


@beliefs
@batches
@pytest.mark.parametrize("end", [done, mixed], ids=["complete", "fail"])
async def test_a_cycle_of_steps(
    database: str, explained: Explained, belief: str, batch: int, end: Callable[[Job], Ack]
) -> None:
    async with Client(database) as client, process(database) as worker:
        with believing(database, belief):
            await client.insert_workflows([diamond() for _ in range(FLOWS)])
        for _ in range(30):
            jobs = await worker.fetch(batch)
            explained.forget()
            await worker.acknowledge(*(end(each) for each in jobs))
            within(explained, batch)


@beliefs
async def test_a_fan_out_and_a_fan_in(database: str, explained: Explained, belief: str) -> None:
    wide = Workflow().add("first", job())
    names = [f"n{number}" for number in range(1_000)]
    for name in names:
        wide.add(name, job(), deps=["first"])
    wide.add("last", job(), deps=names)
    async with Client(database) as client, process(database) as worker:
        with believing(database, belief):
            await client.insert_workflows([diamond() for _ in range(FLOWS)])
            await client.insert_workflow(wide)
        await worker.complete(*await worker.fetch(FLOWS + 1))
        for batch in (1, 99, 400):
            jobs = await worker.fetch(batch)
            explained.forget()
            await worker.complete(*jobs)
            within(explained, batch)


FENCE = """
        when job.epoch = ack.epoch then job.state = 'executing' and job.attempted_by = lease
      end
    returning"""
THREE = """and job.state = 'executing' and job.epoch = ack.epoch and job.attempted_by = lease
    returning"""


@beliefs
async def test_the_fence_as_three_conditions_would_be_found_out(
    database: str, explained: Explained, sql_files: Path, belief: str
) -> None:
    file = sql_files / "routines" / "finish_jobs.sql"
    text = file.read_text()
    assert "and case" + FENCE in text
    file.write_text(text.replace("and case" + FENCE, THREE))
    migrate(database, schema="baton")
    with pytest.raises(AssertionError, match="rows were looked at"):
        await test_a_cycle_of_jobs_that_fail(database, explained, belief, 1_000)


def within(explained: Explained, batch: int) -> None:
    amount, where = explained.most
    assert amount <= 10 * batch + 50, f"{amount} rows were looked at by {where}"
    explained.forget()


@contextmanager
def believing(dsn: str, belief: str) -> Iterator[None]:
    """Fill tables in the block; the planner believes them to be as they were at some moment."""
    for table in TABLES:
        execute(dsn, f"alter table baton.{table} set (autovacuum_enabled = off)")
    if belief == "empty":
        analyze(dsn)
    yield
    if belief == "available":
        analyze(dsn)
    if belief == "completed":
        with psycopg.connect(dsn) as conn:
            conn.execute("create temporary table kept as select id, state from baton.jobs")
            conn.execute("update baton.jobs set state = 'completed'")
            conn.execute("update baton.workflow_steps set outcome = 'completed'")
            conn.execute("update baton.workflows set state = 'completed'")
            conn.commit()
            analyze(dsn)
            conn.execute(
                "update baton.jobs as job set state = kept.state from kept where kept.id = job.id"
            )
            conn.execute("update baton.workflow_steps set outcome = null")
            conn.execute("update baton.workflows set state = 'executing'")
    if belief == "millions":
        analyze(dsn)
        grow = "update pg_class set reltuples = 5e6 where oid = 'baton.{}'::regclass"
        for table in TABLES:
            execute(dsn, grow.format(table))


def analyze(dsn: str) -> None:
    for table in TABLES:
        execute(dsn, f"analyze baton.{table}")


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(statement.encode())
