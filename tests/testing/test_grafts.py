"""Workers that add steps to their workflow, in tests without a database and in a drained queue."""

from typing import Any

import pytest

from baton import Client, Graft, Job, Registry, Workflow
from baton.errors import (
    CyclicWorkflow,
    InvalidWorkflow,
    NotAStep,
    StepTaken,
    UnknownDependency,
)
from baton.testing import drain_queue, inline, perform_job

pytestmark = pytest.mark.anyio


@pytest.fixture
def workers(registry: Registry) -> dict[str, Any]:
    @registry.worker()
    async def part(job: Job, number: int) -> int:
        return number * int(job.results().get("split") or 1)

    @registry.worker()
    async def join(job: Job) -> dict[str, Any]:
        return job.grafted("split")

    return {"part": part, "join": join}


def flow(split: Any, workers: dict[str, Any]) -> Workflow:
    return Workflow("w").add("split", split).add("join", workers["join"].new(), deps=["split"])


async def test_what_a_step_returns_is_performed_before_its_dependents(
    registry: Registry, workers: dict[str, Any]
) -> None:
    part = workers["part"]

    @registry.worker()
    async def split(_job: Job) -> Graft:
        parts = [part.new(number=1), part.new(number=2)]
        return Graft(result=10).fan_out("part", parts).sleep("pause", 60, deps=["part:*"])

    with inline() as performed:
        await flow(split.new(), workers).insert()
    assert [each.value for each in performed[1:]] == [
        10,
        20,
        {"part:0": 10, "part:1": 20, "pause": None},
    ]


async def test_steps_are_added_while_a_step_is_performed(
    registry: Registry, workers: dict[str, Any]
) -> None:
    part = workers["part"]

    @registry.worker()
    def split(job: Job) -> Graft:
        graft = Graft().add("a", part.new(number=5))
        assert tuple(job.graft_sync(graft).added) == ("a",)
        assert tuple(job.graft_sync(graft).kept) == ("a",)
        return Graft(wait=False).add("b", part.new(number=6), deps=["a"])

    with inline() as performed:
        await flow(split.new(), workers).insert()
    assert [each.value for each in performed[1:]] == [5, {"a": 5}, 6]


@pytest.mark.parametrize(
    ("graft", "error"),
    [
        (lambda job: Graft().add("join", job), StepTaken),
        (lambda job: Graft().add("a", job, deps=["ghost"]), UnknownDependency),
        (lambda job: Graft().add("a", job, deps=["join"]), CyclicWorkflow),
    ],
)
async def test_what_does_not_fit_fails_the_attempt(
    registry: Registry, workers: dict[str, Any], graft: Any, error: type[Exception]
) -> None:
    @registry.worker(max_attempts=1)
    async def split(_job: Job) -> Graft:
        found: Graft = graft(workers["part"].new(number=1))
        return found

    with inline() as performed:
        split_job, join_job = await flow(split.new(), workers).insert()
    assert isinstance(performed[0].error, error)
    assert (split_job.state, join_job.state) == ("discarded", "cancelled")


async def test_a_job_is_performed_and_its_steps_come_back(
    registry: Registry, workers: dict[str, Any]
) -> None:
    part = workers["part"]

    @registry.worker()
    async def split(job: Job, count: int) -> Graft:
        await job.graft(Graft().add("a", part.new(number=0)))
        return Graft().fan_out("part", [part.new(number=each) for each in range(count)])

    graft = await perform_job(split, {"count": 2}, results={})
    assert graft.step_names() == ["part:0", "part:1"]
    with pytest.raises(NotAStep):
        await perform_job(split, {"count": 2})


async def test_only_what_is_returned_has_a_result(registry: Registry) -> None:
    @registry.worker()
    async def split(job: Job) -> None:
        await job.graft(Graft(result=1))

    with pytest.raises(InvalidWorkflow, match="not returned by a step"):
        await perform_job(split, results={})


async def test_a_drained_queue_performs_what_steps_add(
    database: str, registry: Registry, workers: dict[str, Any]
) -> None:
    part = workers["part"]

    @registry.worker()
    async def split(job: Job) -> Graft:
        await job.graft(Graft().add("early", part.new(number=7)))
        return Graft(result=1).fan_out("part", [part.new(number=1), part.new(number=2)])

    async with Client(database) as client:
        await client.insert_workflow(flow(split.new(), workers))
        drained = await drain_queue(dsn=database, registry=registry)
        assert drained.completed == 5
        [workflow] = await client.list_workflows()
    assert workflow.state == "completed"
