"""A sweep meets every operation, in both orders: neither loses what the other does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import psycopg
import pytest

from baton import Client, Workflow
from baton.jobs import Job
from baton.workflows import Graft
from tests.support import Process, connection, job, process, rows, states, value, waiters

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


BREAK = """
  create function baton.break() returns trigger language plpgsql as $$
  begin
    if new.worker = 'tests.broken' and new.state = 'cancelled' then
      raise exception 'nobody thought of this';
    end if;
    return new;
  end
  $$;
  create trigger broken before update on baton.jobs for each row execute function baton.break();
"""


async def test_what_a_sweep_can_not_do_for_one_workflow_does_not_hold_up_the_others(
    database: str,
) -> None:
    broken = Workflow("broken").add("a", job()).add("b", job("tests.broken"), deps=["a"])
    sound = Workflow("sound").add("c", job()).add("d", job(), deps=["c"])
    told: list[str | None] = []
    async with Client(database) as client, connection(database) as conn:
        a, b = await client.insert_workflow(broken)
        c, _ = await client.insert_workflow(sound)
        await client.cancel_job(a.id)
        await client.cancel_job(c.id)
        await conn.execute(BREAK)
        conn.add_notice_handler(lambda notice: told.append(notice.message_primary))
        await conn.execute(SWEEP)
        assert await states(database) == {
            "a": "cancelled",
            "b": "suspended",
            "c": "cancelled",
            "d": "cancelled",
        }
        [said] = told
        assert said is not None
        assert "nobody thought of this" in said
        # it is not the first any more, nor tried again at once
        later = "select inserted_at > now() + interval '10 s' from baton.workflow_releases"
        assert (await rows(database, later)).count((True,)) == 1
        # what the slow sweep finds each time is not kept each time
        again = "insert into baton.workflow_releases (job_ids, announced) values (array[%s], true)"
        for _ in range(3):
            await conn.execute(again, [b.id])
            await conn.execute(SWEEP)
        assert await value(database, "select count(*) from baton.workflow_releases") == 2
        await conn.execute("drop trigger broken on baton.jobs")
        await conn.execute("update baton.workflow_releases set inserted_at = now()")
        await settle(database)
    assert (await states(database))["b"] == "cancelled"


@pytest.mark.parametrize("code", ["40P01", "55P03", "57014"])
async def test_a_sweep_that_is_stopped_or_may_succeed_by_itself_changes_nothing(
    database: str, code: str
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job("tests.broken"), deps=["a"])
    async with Client(database) as client, connection(database) as conn:
        [first, _] = await client.insert_workflow(flow)
        await client.cancel_job(first.id)
        await conn.execute(BREAK.replace("of this'", f"of this' using errcode = '{code}'"))
        with pytest.raises(psycopg.OperationalError, match="nobody thought of this"):
            await conn.execute(SWEEP)
    due = "select inserted_at = '-infinity' from baton.workflow_releases"
    assert await value(database, due) is True
