"""Retries of steps that added others while their workflow ran."""

from typing import Any

import anyio
import pytest

from baton import Client, Workflow
from baton.llm import Budget
from baton.workflows import Graft
from tests.store.test_workflow_operations import of_flow, run, sweep
from tests.support import connection, job, process, rows, states, value, waiters

pytestmark = pytest.mark.anyio

ADDED = """
  with added as (
    select (baton.insert_job('tests.child', '{}')).id as id, step.job_id as grafter
    from baton.workflow_steps as step where step.step_name = %s
  )
  insert into baton.workflow_steps (job_id, workflow_id, step_name, grafted_by)
  select added.id, %s, %s, added.grafter from added
  returning job_id
"""
IDENTITY = """
  update baton.jobs
  set meta = jsonb_build_object('workflow_id', %s::text, 'workflow_name', %s::text)
  where id = %s returning id
"""
EDGE = """
  insert into baton.workflow_edges (parent_id, child_id)
  select %s, job_id from baton.workflow_steps where step_name = %s and workflow_id = %s
  returning 1
"""


async def graft(database: str, flow: Workflow, by: str, name: str, before: str) -> None:
    """Add a step on behalf of another, before a third one."""
    child = await value(database, ADDED, by, flow.workflow_id, name)
    await value(database, IDENTITY, str(flow.workflow_id), name, child)
    await value(database, EDGE, child, before, flow.workflow_id)


async def grafted(database: str, client: Client, worker: Any) -> Workflow:
    """A workflow in which `split` added a step, which added one itself; all have completed."""
    flow = Workflow("w").add("split", job()).add("join", job(), deps=["split"])
    flow.add("after", job(), deps=["join"])
    await client.insert_workflow(flow)
    await graft(database, flow, "split", "part", before="join")
    await graft(database, flow, "part", "part of part", before="join")
    assert sorted(await run(database, worker)) == [
        "after",
        "join",
        "part",
        "part of part",
        "split",
    ]
    return flow


@pytest.mark.parametrize("steps", [["split"], "all"])
async def test_a_step_that_runs_again_loses_what_it_grafted(
    database: str, steps: str | list[str]
) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = await grafted(database, client, worker)
        planned = await client.retry_workflow(flow.workflow_id, steps, dry_run=True)
        assert len(await states(database)) == 5
        assert await client.retry_workflow(flow.workflow_id, steps) == planned
        assert planned.step_names == ["split", "join", "after"]
        assert [step.step_name for step in planned.removed] == ["part", "part of part"]
        assert await states(database) == {
            "split": "available",
            "join": "suspended",
            "after": "suspended",
        }
        await graft(database, flow, "split", "part", before="join")
        names = await run(database, worker)
        assert (sorted(names[:2]), names[2:]) == (["part", "split"], ["join", "after"])
    assert await of_flow(database) == "completed"


async def test_a_retry_of_a_grafted_step_keeps_the_others(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        flow = await grafted(database, client, worker)
        retried = await client.retry_workflow(flow.workflow_id, "part of part")
        assert (retried.removed, set(retried.step_names)) == (
            [],
            {"part of part", "join", "after"},
        )
        assert await run(database, worker) == ["part of part", "join", "after"]


async def test_a_plain_retry_of_a_step_that_grafted_keeps_its_grafts(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await grafted(database, client, worker)
        split = "select job_id from baton.workflow_steps where step_name = 'split'"
        assert await client.retry_job(await value(database, split))
        assert await run(database, worker) == ["split"]
        assert len(await states(database)) == 5


INNER = """
  update baton.workflow_steps as step set grafted_by = split.job_id
  from baton.workflow_steps as split
  where step.step_name = 'inner' and split.step_name = 'split' returning 1
"""


async def test_a_sub_workflow_that_was_grafted_is_taken_out_whole(database: str) -> None:
    inner = Workflow("inner", budget=Budget(tokens=3)).add("one", job())
    flow = Workflow("w").add("split", job()).add("inner", inner, deps=["split"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        await rows(database, INNER)
        assert await run(database, worker) == ["split", "one"]
        retried = await client.retry_workflow(flow.workflow_id, "split")
        assert {step.step_name for step in retried.removed} == {"inner", "one"}
        await sweep(database)
        assert await states(database) == {"split": "available"}
        assert await value(database, "select count(*) from baton.workflows") == 1
        assert await value(database, "select count(*) from baton.workflow_edges") == 0
        assert await value(database, "select count(*) from baton.jobs") == 1
        assert await value(database, "select count(*) from baton.budgets") == 0
        # the same again, under the same id
        await client.graft(flow.workflow_id, Graft().add("inner", inner, deps=["split"]))
        assert await value(database, "select count(*) from baton.budgets") == 1
        assert await run(database, worker) == ["split", "one"]


async def test_a_retry_waits_for_the_budget_that_it_removes_before_it_locks_jobs(
    database: str,
) -> None:
    """Whoever has the budget may go on to a job of it, as an attempt does that asks."""
    inner = Workflow("inner", budget=Budget(tokens=3)).add("one", job())
    flow = Workflow("w").add("split", job()).add("inner", inner, deps=["split"])
    async with (
        Client(database) as client,
        process(database) as worker,
        connection(database) as conn,
    ):
        await client.insert_workflow(flow)
        [one] = await client.get_workflow_jobs(inner.workflow_id)
        await rows(database, INNER)
        await worker.complete(*await worker.fetch())

        async def retry() -> None:
            await client.retry_workflow(flow.workflow_id, "split")

        async with connection(database) as looking, anyio.create_task_group() as tasks:
            async with conn.transaction():
                await client.set_budget(workflow=inner.workflow_id, tokens=4, conn=conn)
                tasks.start_soon(retry)
                with anyio.fail_after(20):
                    while await waiters(looking) == 0:
                        await anyio.lowlevel.checkpoint()
                await conn.execute("set local lock_timeout = '10s'")
                assert await client.cancel_job(one.id, conn=conn)
    assert await states(database) == {"split": "available"}
    assert await value(database, "select count(*) from baton.budgets") == 0
