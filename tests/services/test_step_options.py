"""What a workflow says of all its steps, and a step of its dependencies, in a worker process."""

from typing import Any

import pytest

from baton import Cancel, Discard, Job, Registry, Workflow
from tests.services.test_node import finished, running, until
from tests.support import rows, value

pytestmark = pytest.mark.anyio


async def run(database: str, registry: Registry, flow: Workflow, count: int = 1) -> dict[str, Any]:
    async with running(database, registry) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database, count))
    query = """
      select step_name, outcome::text, skipped, result from baton.workflow_steps order by job_id
    """
    return {name: tuple(facts) for name, *facts in await rows(database, query)}


@pytest.fixture
def registry() -> Registry:
    return Registry()


async def test_priority_tags_and_context_are_those_of_all_steps(
    database: str, registry: Registry
) -> None:
    @registry.worker(priority=5, tags=["own"])
    async def tell(job: Job) -> Any:
        return [job.priority, list(job.tags), dict(job.context)]

    flow = (
        Workflow("w", priority=1, tags=["All"], context={"tenant": "acme", "limits": [1, 2]})
        .add("a", tell.new())
        .add("b", tell.new(), deps=["a"])
    )
    ends = await run(database, registry, flow)
    said = [1, ["own", "all"], {"tenant": "acme", "limits": [1, 2]}]
    assert ends == {"a": ("completed", False, said), "b": ("completed", False, said)}
    assert await value(database, "select tags from baton.workflows") == ["all"]


@pytest.mark.parametrize(("output", "result"), [("a", 1), (None, {"b": 2, "c": 3})])
async def test_the_output_of_a_sub_workflow_is_what_its_step_returns(
    database: str, registry: Registry, output: str | None, result: Any
) -> None:
    @registry.worker()
    async def give(_job: Job, number: int) -> int:
        return number

    @registry.worker()
    async def read(job: Job) -> Any:
        return {"read": job.result("inner")}

    inner = (
        Workflow("inner", output=output)
        .add("a", give.new(1))
        .add("b", give.new(2), deps=["a"])
        .add("c", give.new(3), deps=["a"])
    )
    flow = Workflow("w").add("inner", inner).add("read", read.new(), deps=["inner"])
    ends = await run(database, registry, flow, 2)
    assert ends["read"] == ("completed", False, {"read": result})


@pytest.mark.parametrize("bad", [Discard("no"), Cancel("no"), None])
async def test_each_policy_chooses_when_its_step_runs(
    database: str, registry: Registry, bad: Any
) -> None:
    @registry.worker()
    async def first(_job: Job) -> Any:
        return bad

    @registry.worker()
    async def step(_job: Job) -> str:
        return "ran"

    flow = (
        Workflow("w")
        .add("first", first.new())
        .add("other", step.new())
        .add("plain", step.new(), deps=["first", "other"])
        .add("discarded", step.new(), deps=["first"], ignore_discarded=True)
        .add("cancelled", step.new(), deps=["first"], ignore_cancelled=True)
        .add("failed", step.new(), deps=["first", "other"], run_on="failed")
        .add("done", step.new(), deps=["first", "other", "plain", "failed"], run_on="done")
    )
    ends = await run(database, registry, flow)
    ran, skipped = ("completed", False, "ran"), ("completed", True, None)
    cancelled = ("cancelled", False, None)
    fine = bad is None
    assert ends["plain"] == (ran if fine else cancelled)
    assert ends["discarded"] == (ran if fine or isinstance(bad, Discard) else cancelled)
    assert ends["cancelled"] == (ran if fine or isinstance(bad, Cancel) else cancelled)
    assert ends["failed"] == (skipped if fine else ran)
    assert ends["done"] == ran


async def test_a_rerun_that_a_person_asks_for_forgets_a_stored_result(
    database: str, registry: Registry
) -> None:
    called = []

    @registry.worker()
    async def charge(job: Job) -> None:
        called.append(job.attempt)
        await job.store_result(len(called))

    flow = Workflow("w").add("charge", charge.new())
    async with running(database, registry) as (_, client):
        [job] = await client.insert_workflow(flow)
        await until(finished(database))
        assert await client.retry_job(job.id)

        async def is_charged_again() -> bool:
            return bool(await value(database, "select result from baton.workflow_steps") == 2)

        await until(is_charged_again)
        await until(finished(database))
    assert called == [1, 2]
