"""How everything goes right now: queues, rates, what runs, and what failed."""

import pytest

from baton import Client, SyncClient, Workflow
from baton.errors import InvalidFilter
from baton.states import State
from tests.store.test_plans import mixed
from tests.support import done, job, process, rows

pytestmark = pytest.mark.anyio


async def test_nothing_happens_in_an_empty_database(database: str) -> None:
    async with Client(database) as client:
        shown = await client.overview()
    assert (shown.queues, shown.rates, shown.running, shown.failures) == ([], [], [], [])
    assert shown.processes == 0


async def test_an_overview_tells_what_runs_what_ended_and_what_failed(database: str) -> None:
    flow = Workflow("research").add("fetch", job("tests.step"))
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        await client.insert_all([job("tests.quick") for _ in range(12)])
        jobs = await worker.fetch(10)
        running, finished, failing = jobs[0], jobs[1:5], jobs[5:]
        await worker.acknowledge(*(done(each) for each in finished))
        await worker.acknowledge(*(mixed(each) for each in failing))
        shown = await client.overview(most=3)
    assert shown.processes == 1
    [queue] = shown.queues
    assert queue.counts["executing"] == 1
    completed, failed = shown.ended("default")
    assert completed + failed == 9
    assert completed >= 4
    assert failed >= 2
    [longest] = shown.running
    assert (longest.id, longest.workflow, longest.step) == (running.id, "research", "fetch")
    assert longest.node == "tests"
    assert 0 < len(shown.failures) <= 3
    assert {each.kind for each in shown.failures} == {"ValueError"}
    assert {each.state for each in shown.failures} <= {State.DISCARDED, State.RETRYABLE}
    [slowest] = shown.slowest(5)
    assert slowest.worker == "tests.quick"
    assert slowest.p95 >= slowest.median > 0


async def test_what_ended_long_ago_is_not_lately(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_all([job(), job()])
        await worker.complete(*await worker.fetch(2))
        await rows(
            database,
            "update baton.jobs set completed_at = now() - interval '1 hour' where id = 1 "
            "returning id",
        )
        assert (await client.overview()).ended("default") == (1, 0)


def test_the_synchronous_client_has_it_too(database: str) -> None:
    with SyncClient(database) as client:
        assert client.overview(most=1).running == []
        with pytest.raises(InvalidFilter, match="limit must be a whole number"):
            client.overview(most=0)
