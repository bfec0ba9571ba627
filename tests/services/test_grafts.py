"""Workers that return steps, or add them while they run, in whole worker processes."""

from typing import Any

import anyio
import pytest

from baton import Graft, Job, Registry, Workflow
from tests.services import apps
from tests.services.test_node import finished, running, until
from tests.support import states, value

pytestmark = pytest.mark.anyio


class Splitting:
    """Workers of which one splits its work in a way that tests choose."""

    def __init__(self) -> None:
        self.registry = Registry()

        @self.registry.worker()
        async def part(_job: Job, number: int) -> int:
            return number * number

        @self.registry.worker()
        async def join(job: Job) -> dict[str, Any]:
            return job.grafted("split")

        self.part = part
        self.join = join

    def parts(self, count: int, **options: Any) -> Graft:
        jobs = [self.part.new(number=number) for number in range(count)]
        return Graft(**options).fan_out("part", jobs)

    def flow(self, split: Any) -> Workflow:
        return Workflow("w").add("split", split).add("join", self.join.new(), deps=["split"])


async def run(database: str, registry: Registry, flow: Workflow, **changes: Any) -> None:
    async with running(database, registry, **changes) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database), seconds=60)


async def result_of(database: str, step: str) -> Any:
    query = "select result from baton.workflow_nodes where step_name = %s"
    return await value(database, query, step)


async def last_error(database: str) -> str:
    query = "select errors -> -1 ->> 'message' from baton.jobs order by id limit 1"
    return str(await value(database, query))


async def test_a_coroutine_returns_steps_and_a_result(database: str) -> None:
    work = Splitting()

    @work.registry.worker()
    async def split(_job: Job) -> Graft:
        return work.parts(3, result={"of": 3})

    await run(database, work.registry, work.flow(split.new()))
    assert await result_of(database, "split") == {"of": 3}
    assert await result_of(database, "join") == {"part:0": 0, "part:1": 1, "part:2": 4}
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_function_in_a_thread_returns_steps(database: str) -> None:
    work = Splitting()

    @work.registry.worker()
    def split(_job: Job) -> Graft:
        return work.parts(2)

    await run(database, work.registry, work.flow(split.new()))
    assert await result_of(database, "join") == {"part:0": 0, "part:1": 1}


async def test_a_child_process_returns_steps_and_grafts_while_it_runs(database: str) -> None:
    flow = (
        Workflow("w").add("split", apps.splits.new()).add("join", apps.joins.new(), deps=["split"])
    )
    await run(database, apps.registry, flow, app="tests.services.apps:registry")
    assert await result_of(database, "join") == {"early": "early", "part:0": "0", "part:1": "1"}


async def test_a_coroutine_grafts_steps_that_end_while_it_runs(database: str) -> None:
    work = Splitting()

    @work.registry.worker()
    async def split(job: Job) -> None:
        grafted = await job.graft(work.parts(2))
        assert tuple(grafted.added) == ("part:0", "part:1")
        await until(both_ended)

    async def both_ended() -> bool:
        query = "select count(*) = 2 from baton.workflow_nodes where state = 'completed'"
        return bool(await value(database, query))

    await run(database, work.registry, work.flow(split.new()))
    assert await result_of(database, "join") == {"part:0": 0, "part:1": 1}


async def test_another_attempt_grafts_what_is_missing(database: str) -> None:
    work = Splitting()

    @work.registry.worker(backoff=lambda _job, _error: 0)
    def split(job: Job) -> Graft:
        job.graft_sync(work.parts(job.attempt))
        if job.attempt == 1:
            raise ValueError("once")
        return work.parts(3)

    await run(database, work.registry, work.flow(split.new()))
    assert await result_of(database, "join") == {"part:0": 0, "part:1": 1, "part:2": 4}


async def test_a_graft_that_does_not_fit_fails_the_attempt_and_nothing_else(database: str) -> None:
    work = Splitting()

    @work.registry.worker(max_attempts=1)
    async def split(_job: Job) -> Graft:
        return Graft().add("join", work.join.new())

    flow = work.flow(split.new()).add("other", work.part.new(number=3))
    await run(database, work.registry, flow)
    assert await states(database) == {
        "split": "discarded",
        "join": "cancelled",
        "other": "completed",
    }
    assert "already has a step named 'join'" in await last_error(database)


@pytest.mark.parametrize(
    ("graft", "words"),
    [
        (Graft(result=object()), "neither JSON"),
        (Graft().add("a", Workflow("empty")), "no steps"),
    ],
)
async def test_a_graft_that_cannot_be_stored_fails_the_attempt(
    database: str, graft: Graft, words: str
) -> None:
    work = Splitting()

    @work.registry.worker(max_attempts=1)
    async def split(_job: Job) -> Graft:
        return graft

    await run(database, work.registry, work.flow(split.new()))
    assert words in await last_error(database)


async def test_a_plain_job_has_nothing_to_graft_onto(database: str) -> None:
    registry = Registry()

    @registry.worker(max_attempts=1)
    async def plain(_job: Job) -> Graft:
        return Graft()

    async with running(database, registry) as (_, client):
        inserted = await client.insert(plain.new())

        async def ended() -> bool:
            return (await client.get_job(inserted.id)).state == "discarded"

        await until(ended)
    assert "is not a step of a workflow" in await last_error(database)


async def test_checks_before_an_insert_hold_for_grafted_jobs(database: str) -> None:
    work = Splitting()

    @work.registry.before_insert
    def refuse_large(new: Any) -> Any:
        if new.args.get("number") == 2:
            raise ValueError("2 is too large")
        return new

    @work.registry.worker(max_attempts=1)
    async def split(_job: Job) -> Graft:
        return work.parts(3)

    await run(database, work.registry, work.flow(split.new()))
    assert await last_error(database) == "2 is too large"


async def test_a_step_that_is_cancelled_while_it_grafts_adds_nothing(database: str) -> None:
    work = Splitting()
    begun = anyio.Event()

    @work.registry.worker()
    async def split(job: Job) -> Graft:
        begun.set()
        with anyio.CancelScope(shield=True):
            await until(cancelled)
            return work.parts(3)

    async def cancelled() -> bool:
        return "cancelled" in (await states(database)).values()

    flow = work.flow(split.new())
    async with running(database, work.registry) as (_, client):
        jobs = await client.insert_workflow(flow)
        await begun.wait()
        await client.cancel_job(jobs[0].id)
        await until(finished(database))
    assert await states(database) == {"split": "cancelled", "join": "cancelled"}


async def test_steps_are_grafted_from_outside_with_the_default_client(database: str) -> None:
    work = Splitting()
    let_go = anyio.Event()

    @work.registry.worker()
    async def split(_job: Job) -> None:
        await let_go.wait()

    @work.registry.worker()
    async def after(job: Job) -> dict[str, Any]:
        return job.results("part")

    flow = work.flow(split.new()).add("after", after.new(), deps=["join"])
    async with running(database, work.registry) as (_, client):
        await client.insert_workflow(flow)
        await Workflow.graft(flow.workflow_id, work.parts(2), before=["after"])
        let_go.set()
        await until(finished(database))
    assert await result_of(database, "after") == {"0": 0, "1": 1}
