"""A sweep meets every operation, in both orders: neither loses what the other does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from baton import Client, Workflow
from baton.jobs import Job
from baton.workflows import Graft
from tests.support import Process, connection, job, process, rows, value, waiters

pytestmark = pytest.mark.anyio

SWEEP = "select swept, unfinished from baton.sweep_releases(0, 0, 100)"
STUCK = """
  select finding from baton.stuck_steps(
    array(select job_id from baton.workflow_steps where outcome is null), 0
  )
"""
FINISH = """
  select baton.finish_jobs(
    %s, array[%s], array[%s], '{completed}', '{0}', '{f}', '{null}', '{null}', '{t}'
  )
"""

Operate = Callable[[Any, Client, "Life"], Awaitable[object]]


@dataclass
class Life:
    """A workflow in the middle: `first` has ended and nobody looked yet what follows."""

    flow: Workflow
    worker: Process
    running: Job


def flow(queue: str) -> Workflow:
    return (
        Workflow("w")
        .add("first", job(queue=queue))
        .add("second", job(queue=queue), deps=["first"])
        .add("running", job(queue=queue))
        .wait_for("approved", deps=["first"])
        .add("join", job(queue=queue), deps=["second", "running"])
        .add("tidy", job(queue=queue), deps=["join", "approved"], run_on="done")
    )


async def finish(conn: Any, client: Client, life: Life) -> None:
    del client
    job = life.running
    await conn.execute(FINISH, [life.worker.lease, job.id, job.epoch])


async def cancel_step(conn: Any, client: Client, life: Life) -> None:
    await client.cancel_job(life.running.id, conn=conn)


async def cancel_waiting_step(conn: Any, client: Client, life: Life) -> None:
    del client
    await conn.execute(
        """
        select from baton.workflow_steps as step, baton.cancel_jobs(array[step.job_id])
        where step.workflow_id = %s and step.step_name = 'second'
        """,
        [life.flow.workflow_id],
    )


async def cancel_workflow(conn: Any, client: Client, life: Life) -> None:
    await client.cancel_workflow(life.flow.workflow_id, conn=conn)


async def retry_workflow(conn: Any, client: Client, life: Life) -> None:
    await client.retry_workflow(life.flow.workflow_id, ["first"], conn=conn)


async def skip(conn: Any, client: Client, life: Life) -> None:
    await client.skip_step(life.flow.workflow_id, "second", 1, conn=conn)


async def signal(conn: Any, client: Client, life: Life) -> None:
    await client.signal_workflow(life.flow.workflow_id, "approved", conn=conn)


async def graft(conn: Any, client: Client, life: Life) -> None:
    added = Graft().add("more", job(), deps=["first"])
    await client.graft(life.flow.workflow_id, added, before=["join"], conn=conn)


OPERATIONS = [
    finish,
    cancel_step,
    cancel_waiting_step,
    cancel_workflow,
    retry_workflow,
    skip,
    signal,
    graft,
]


async def begin(client: Client, worker: Process, queue: str) -> Life:
    given = flow(queue)
    await client.insert_workflow(given)
    first, running = await worker.fetch(10, queue)
    await rows(client.settings.conninfo, FINISH, worker.lease, first.id, first.epoch)
    return Life(given, worker, running)


async def settle(database: str) -> None:
    while any((await rows(database, SWEEP))[0]):
        pass
    assert await rows(database, STUCK) == []
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def stands(database: str, life: Life) -> dict[Any, Any]:
    query = "select step_name, state from baton.workflow_nodes where workflow_id = %s"
    return dict(await rows(database, query, life.flow.workflow_id))


async def in_peace(
    database: str, client: Client, worker: Process, operate: Operate
) -> dict[Any, Any]:
    """How another workflow stands when the sweep has ended before the operation begins."""
    life = await begin(client, worker, "peace")
    await settle(database)
    async with connection(database) as conn, conn.transaction():
        await operate(conn, client, life)
    await settle(database)
    return await stands(database, life)


@pytest.mark.parametrize("operate", OPERATIONS, ids=lambda each: each.__name__)
async def test_a_sweep_during_an_operation_waits_for_nothing_and_loses_nothing(
    database: str, operate: Operate
) -> None:
    async with Client(database) as client, process(database) as worker:
        life = await begin(client, worker, "disturbed")
        async with connection(database) as conn, connection(database) as sweeping:
            await sweeping.execute("set lock_timeout = '20s'")
            async with conn.transaction():
                await operate(conn, client, life)
                await sweeping.execute(SWEEP)
        await settle(database)
        assert await stands(database, life) == await in_peace(database, client, worker, operate)


@pytest.mark.parametrize("operate", OPERATIONS, ids=lambda each: each.__name__)
async def test_an_operation_during_a_sweep_sees_what_that_did(
    database: str, operate: Operate
) -> None:
    """It waits for what the sweep has locked, if it needs it, and loses nothing."""
    async with Client(database) as client, process(database) as worker:
        life = await begin(client, worker, "disturbed")
        ended = anyio.Event()

        async def operation() -> None:
            async with connection(database) as conn, conn.transaction():
                await operate(conn, client, life)
            ended.set()

        async with connection(database) as sweeping, connection(database) as looking:
            async with anyio.create_task_group() as tasks:
                async with sweeping.transaction():
                    await sweeping.execute(SWEEP)
                    tasks.start_soon(operation)
                    with anyio.fail_after(60):
                        while not ended.is_set() and await waiters(looking) == 0:
                            await anyio.lowlevel.checkpoint()
        await settle(database)
        assert await stands(database, life) == await in_peace(database, client, worker, operate)
