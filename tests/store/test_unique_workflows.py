"""Workflows that exclude each other by a key."""

import anyio
import pytest

from baton import Client, Workflow
from baton.states import State
from tests.support import connection, ended, job, process, value

pytestmark = pytest.mark.anyio

FLOWS = "select count(*) from baton.workflows"
SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


def flow() -> Workflow:
    return Workflow("import", unique="import").add("a", job()).add("b", job(), deps=["a"])


async def test_of_twenty_inserts_at_once_one_inserts_and_all_get_its_jobs(database: str) -> None:
    got: list[list[int]] = []
    news: list[bool] = []
    async with Client(database) as client:

        async def insert() -> None:
            jobs = await client.insert_workflow(flow())
            got.append([each.id for each in jobs])
            news.append(not any(each.conflict for each in jobs))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(insert)
    assert len(got) == 20
    assert got == [got[0]] * 20
    assert sorted(news) == [False] * 19 + [True]
    assert await value(database, FLOWS) == 1
    assert await value(database, "select count(*) from baton.jobs") == 2


@pytest.mark.parametrize("commits", [True, False])
async def test_an_insert_waits_for_the_transaction_that_inserts_the_same_key(
    database: str, commits: bool
) -> None:
    async with Client(database) as client, connection(database) as conn:
        mine: list[int] = []
        async with anyio.create_task_group() as tasks:
            async with conn.transaction(force_rollback=not commits):
                theirs = [each.id for each in await client.insert_workflow(flow(), conn=conn)]

                async def insert() -> None:
                    mine.extend(each.id for each in await client.insert_workflow(flow()))

                tasks.start_soon(insert)
                with anyio.fail_after(60):
                    while not await value(
                        database,
                        "select count(*) from pg_stat_activity "
                        "where datname = current_database() and wait_event_type = 'Lock'",
                    ):
                        await anyio.lowlevel.checkpoint()
    assert (mine == theirs) == commits
    assert await value(database, FLOWS) == 1


async def test_a_key_is_free_after_the_end_and_stays_given_up_in_a_retry(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        first = flow()
        await client.insert_workflow(first)
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED))
        second = flow()
        jobs = await client.insert_workflow(second)
        assert not any(each.conflict for each in jobs)

        assert len((await client.retry_workflow(first.workflow_id)).steps) == 2
        third = await client.insert_workflow(flow())
        assert [each.id for each in third] == [each.id for each in jobs]
        await value(database, SWEEP)
        assert await worker.run_all() == 4
        done = "select count(*) from baton.workflows where state = 'completed'"
        assert await value(database, done) == 2
        await client.retry_workflow(second.workflow_id, "all")
        assert not any(each.conflict for each in await client.insert_workflow(flow()))


async def test_a_cancelled_workflow_gives_its_key_up_once_it_has_ended(database: str) -> None:
    async with Client(database) as client:
        first = flow()
        await client.insert_workflow(first)
        await client.cancel_workflow(first.workflow_id)
        await value(database, SWEEP)
        assert not any(each.conflict for each in await client.insert_workflow(flow()))
