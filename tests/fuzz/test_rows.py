"""Rows that people edited in psql: no process ends, and the jobs around them go through."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from baton import Job, Registry, Workflow
from baton.client import Client
from baton.errors import NotFound
from baton.llm import Budget
from tests.fuzz.cases import cases
from tests.fuzz.vandal import (
    FLOWS,
    Edit,
    Tables,
    divided_jobs,
    edits,
    limits,
    tables,
    truncation,
)
from tests.services.test_node import running, until
from tests.support import connection, job, value

pytestmark = pytest.mark.anyio

GOOD = "select count(*) from baton.jobs where tags = '{good}' and state <> 'completed'"
NEVER = {"duty.failed", "lease.failed", "notification.failed", "cycle.refused", "database.trouble"}


def registry() -> Registry:
    found = Registry()

    @found.worker(name="ok", timeout=5)
    async def ok(_job: Job) -> int:
        return 1

    return found


async def furnish(client: Client) -> None:
    """Put something of everything there, for the vandal to find."""
    await client.insert_all(
        [job("ok"), job("gone"), job("ok", schedule_in=60.0, priority=3), job("ok", queue="odd")]
    )
    for number, flow_id in enumerate(FLOWS[:2]):
        budget = Budget(tokens=10) if number else None
        flow = (
            Workflow(f"w{number}", workflow_id=flow_id, budget=budget)
            .add("a", job("ok"))
            .add("b", job("ok"), deps=["a"])
            .wait_for("go", deps=["a"])
            .add("c", job("ok"), deps=["b", "go"])
            .approval("sign", "Send it?", deps=["a"], timeout=600)
        )
        await client.insert_workflow(flow)
    await client.crons.add("ok", "* * * * *", name="tick")
    await client.signal_workflow(FLOWS[0], "early", {"of": "somebody"})
    await client.set_budget(queue="odd", tokens=1_000)
    await client.templates.put("t", {"name": "t", "steps": [{"name": "a", "worker": "ok"}]})


async def survives(
    database: str, before: Sequence[Edit], during: Sequence[Edit], queue: str = "default"
) -> None:
    """A worker process lives through edits, and what comes into a queue meanwhile goes through."""
    workers = registry()
    with capture_logs() as logs:
        async with Client(database) as client, connection(database) as hand:
            await hand.execute("set lock_timeout = '2s'")
            await furnish(client)
            for edit in before:
                await edit.run(hand)
            queues = sorted({"default=5", "odd=2", f"{queue}=5"})
            async with running(database, workers, queues=queues):
                for edit in during:
                    await edit.run(hand)
                good = job("ok", priority=9, queue=queue)
                flow = Workflow("good", tags=["good"]).add("x", good).add("y", good, deps=["x"])
                await client.insert_workflow(flow)
                await look_at_everything(client)
                await client.insert_all([job("ok", priority=9, queue=queue, tags=["good"])] * 5)
                await until(lambda: gone_through(database), 200)
    bad = [each for each in logs if each["event"] in NEVER or each.get("exc_info")]
    assert not bad


async def look_at_everything(client: Client) -> None:
    """Read all that there is; somebody who looks gets what is there, or is told that it is not."""
    for job_id in range(1, 14):
        with suppress(NotFound):
            await client.get_job(job_id)
            assert (await client.why(job_id)).sentence
    for flow in FLOWS[:2]:
        looks = (client.get_workflow, client.get_workflow_tree, client.progress, client.why)
        for look in looks:
            with suppress(NotFound):
                await look(flow)
    await client.list_jobs(limit=100)
    await client.list_workflows()
    await client.queues.list()
    await client.queues.check("odd")
    await client.crons.list()
    await client.templates.list()
    await client.overview()
    await client.approvals()
    await client.budgets()
    await client.audit.list()


async def start_again(database: str, known: Tables) -> None:
    async with connection(database) as conn:
        for statement in truncation(known):
            await conn.execute(statement.encode())


async def gone_through(database: str) -> bool:
    return await value(database, GOOD) == 0


@pytest.mark.timeout(3_600)  # each case starts a process, and waits until its jobs are done
@cases(8, dear=10, shrink=False)
@given(data=st.data())
async def test_whatever_a_row_holds_the_others_go_through(
    database: str, data: st.DataObject
) -> None:
    known = await tables(database)
    before = data.draw(st.lists(edits(known), min_size=1, max_size=15))
    during = data.draw(st.lists(edits(known), max_size=10))
    await start_again(database, known)
    await survives(database, before, during)


@pytest.mark.timeout(3_600)  # each case starts a process, and waits until its jobs are done
@cases(8, dear=10, shrink=False)
@given(data=st.data())
async def test_whatever_is_said_of_queues_and_processes_other_queues_go_on(
    database: str, data: st.DataObject
) -> None:
    """Queues that are paused, stopped or limited may stand still, and processes lose leases."""
    known = await tables(database)
    some = st.one_of(
        *(edits(known, table) for table in ("queues", "queue_nodes", "leases", "queue_starts")),
        limits(),
        limits(),
        divided_jobs(),
    )
    before = data.draw(st.lists(some, min_size=1, max_size=15))
    during = data.draw(st.lists(some, max_size=10))
    await start_again(database, known)
    await survives(database, before, during, queue="spared")
