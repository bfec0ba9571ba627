"""Many workflows, and wide ones, by several processes at once."""

import anyio
import pytest

from baton.client import Client
from baton.states import State
from baton.workflows import Workflow
from tests.support import ended, job, process, rows, value

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


async def run_everything(database: str, workflows: int, *, processes: int) -> int:
    """Complete all steps in several processes; return how many were started."""
    finished = "select count(*) from baton.workflow_completions"
    started: list[int] = []

    async def work() -> None:
        async with process(database) as worker:
            while await value(database, finished) < workflows:
                started.append(await worker.run_all(100))

    async with anyio.create_task_group() as tasks:
        for _ in range(processes):
            tasks.start_soon(work)
    return sum(started)


async def test_a_thousand_diamonds_run_through(database: str) -> None:
    async with Client(database) as client:
        for _ in range(1_000):
            flow = Workflow("diamond").add("a", job())
            for name in "bcd":
                flow.add(name, job(), deps=["a"])
            await client.insert_workflow(flow.add("e", job(), deps=list("bcd")))
    assert await run_everything(database, 1_000, processes=3) == 5_000
    query = "select state::text, count(*) from baton.workflows group by 1"
    assert await rows(database, query) == [("completed", 1_000)]
    # what one process had locked, another left to the sweep
    await value(database, "select swept from baton.sweep_releases(0, 0, 10000)")
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_fan_out_to_ten_thousand_steps_joins_again(database: str) -> None:
    names = [f"leaf{number}" for number in range(10_000)]
    flow = Workflow("fan").add("root", job())
    for name in names:
        flow.add(name, job(), deps=["root"])
    flow.add("join", job(), deps=names)
    async with Client(database) as client:
        await client.insert_workflow(flow)
    assert await run_everything(database, 1, processes=3) == 10_002
    progress = """
      select sum(added), sum(completed) from baton.workflow_progress where workflow_id = %s
    """
    assert await rows(database, progress, flow.workflow_id) == [(10_002, 10_002)]
    latest = "select step_name from baton.workflow_nodes order by started_at desc limit 1"
    assert await value(database, latest) == "join"


async def test_a_failure_cancels_ten_thousand_dependents_at_once(database: str) -> None:
    flow = Workflow("fan").add("root", job())
    for number in range(10_000):
        flow.add(f"leaf{number}", job(), deps=["root"])
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        [root] = await worker.fetch(1)
        await worker.acknowledge(ended(root, State.DISCARDED))
    query = "select state, error, count(*) from baton.workflow_nodes group by 1, 2 order by 3 desc"
    [(state, error, count), _] = await rows(database, query)
    assert (state, error, count) == ("cancelled", "dependency root was discarded", 10_000)
    assert await value(database, "select outcome::text from baton.workflow_completions") == "failed"
