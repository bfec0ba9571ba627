"""Cancel, retry and delete jobs that are steps of workflows."""

import pytest

from baton import Client, Workflow
from baton.states import State
from tests.support import done, ended, job, process, states, value

pytestmark = pytest.mark.anyio

BEYOND_BIGINT = 2**70
FINAL = ("completed", "cancelled", "discarded")
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def test_a_cancelled_step_takes_its_dependents_with_it_and_the_workflow_ends(
    database: str,
) -> None:
    flow = (
        Workflow("w")
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("c", job(), deps=["b"])
        .add("d", job(), deps=["a"], ignore_cancelled=True)
    )
    async with Client(database) as client, process(database) as worker:
        [a, *_] = await client.insert_workflow(flow)
        await client.cancel_job(a.id, "no budget")
        assert await value(database, SWEEP) == 1
        expected = {"a": "cancelled", "b": "cancelled", "c": "cancelled", "d": "available"}
        assert await states(database) == expected
        await worker.run_all()
        status = await client.get_workflow(flow.workflow_id)
    assert (status.state, status.failed_steps) == ("failed", ["a", "b", "c"])
    assert {node.step_name: node.error for node in status.nodes}["a"] == "no budget"


async def test_cancelling_every_step_of_a_workflow_ends_it(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
        which = {"workflow_id": str(flow.workflow_id)}
        assert await client.cancel_jobs(meta=which) == 2
        await value(database, SWEEP)
        assert (await client.get_workflow(flow.workflow_id)).state == "failed"


async def test_deleting_the_job_of_an_open_step_cancels_the_step(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client:
        a, _ = await client.insert_workflow(flow)
        assert await client.delete_job(a.id)
        await value(database, SWEEP)
        status = await client.get_workflow(flow.workflow_id)
    assert status.state == "failed"
    assert {node.step_name: node.error for node in status.nodes} == {
        "a": "its job was deleted",
        "b": "dependency a was cancelled",
    }


async def test_deleting_the_job_of_a_step_that_ended_keeps_the_step(database: str) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client, process(database) as worker:
        a, _ = await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        assert await client.delete_job(a.id)
        await worker.run_all()
        assert (await client.get_workflow(flow.workflow_id)).state == "completed"


async def test_a_retried_step_forgets_its_result_and_its_workflow_runs_again(
    database: str,
) -> None:
    flow = Workflow("w").add("a", job()).add("b", job(), deps=["a"])
    async with Client(database) as client, process(database) as worker:
        _, b = await client.insert_workflow(flow)
        await worker.complete(*await worker.fetch())
        [mine] = await worker.fetch()
        await worker.acknowledge(done(mine, '"old"'))
        assert (await client.get_workflow(flow.workflow_id)).state == "completed"

        assert await client.retry_job(b.id)
        status = await client.get_workflow(flow.workflow_id)
        assert (status.state, status.finished_at) == ("executing", None)
        assert {node.step_name: node.result for node in status.nodes} == {"a": None, "b": None}
        assert await value(database, "select count(*) from baton.workflow_completions") == 0

        [again] = await worker.fetch()
        assert again.step is not None
        assert (again.step.stored, again.attempt) == (False, 2)
        await worker.acknowledge(done(again, '"new"'))
        assert (await client.get_workflow(flow.workflow_id)).state == "completed"
        assert await value(database, "select count(*) from baton.workflow_completions") == 1


async def test_steps_that_are_retried_together_run_in_their_order(database: str) -> None:
    flow = Workflow("w").add("a", job(max_attempts=1)).add("b", job(), deps=["a"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED, error='{"message": "no"}'))
        assert await states(database) == {"a": "discarded", "b": "cancelled"}

        assert await client.retry_jobs(meta={"workflow_id": str(flow.workflow_id)}) == 2
        assert await states(database) == {"a": "available", "b": "suspended"}
        await value(database, SWEEP)
        assert await states(database) == {"a": "available", "b": "suspended"}
        assert await worker.run_all() == 2
        assert (await client.get_workflow(flow.workflow_id)).state == "completed"


async def test_a_step_retried_alone_is_cancelled_again_by_its_bad_dependency(
    database: str,
) -> None:
    flow = Workflow("w").add("a", job(max_attempts=1)).add("b", job(), deps=["a"])
    async with Client(database) as client, process(database) as worker:
        _, b = await client.insert_workflow(flow)
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED, error='{"message": "no"}'))
        assert await client.retry_job(b.id)
        await value(database, SWEEP)
        assert await states(database) == {"a": "discarded", "b": "cancelled"}
        assert (await client.get_workflow(flow.workflow_id)).state == "failed"
