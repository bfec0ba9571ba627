"""Fifty worker processes at one server: every job is run once, however many want it."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
import pytest

from baton import Client, Workflow
from tests.services.test_node import all_final
from tests.support import Process, job, process, rows, value

pytestmark = pytest.mark.anyio

PROCESSES = 50
JOBS = 1_000
DIAMONDS = 25


def diamond() -> Workflow:
    return (
        Workflow()
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("c", job(), deps=["a"])
        .add("d", job(), deps=["b", "c"])
    )


async def test_fifty_processes_run_every_job_once_and_end_every_workflow(database: str) -> None:
    runs: Counter[int] = Counter()
    async with AsyncExitStack() as stack:
        everybody = [await stack.enter_async_context(process(database)) for _ in range(PROCESSES)]
        async with Client(database) as client:
            await client.insert_all([job() for _ in range(JOBS)])
            for _ in range(DIAMONDS):
                await client.insert_workflow(diamond())
        over = all_final(database)
        with anyio.fail_after(240):
            async with anyio.create_task_group() as tasks:
                for each in everybody:
                    tasks.start_soon(run_until, each, over, runs)
    assert set(runs.values()) == {1}
    assert len(runs) == JOBS + 4 * DIAMONDS
    ended = await rows(database, "select state::text, count(*) from baton.workflows group by state")
    assert ended == [("completed", DIAMONDS)]
    assert await value(database, "select count(*) from baton.workflow_completions") == DIAMONDS
    assert await value(database, "select count(*) from baton.jobs where attempt <> 1") == 0


async def run_until(
    process: Process, over: Callable[[], Awaitable[bool]], runs: Counter[int]
) -> None:
    """Complete whatever can be had, until everybody together has completed everything."""
    jobs = await process.fetch(5)
    while jobs or not await over():
        runs.update(each.id for each in jobs)
        jobs = await process.complete(*jobs, capacity=5)
