"""Workflows that are inserted together: all of them or nothing, in one statement."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from baton import Client, SyncClient, Workflow
from baton.errors import CyclicWorkflow, DuplicateWorkflow, InvalidWorkflow
from baton.states import State
from tests.support import in_turn, job, process, rows, states, value

pytestmark = pytest.mark.anyio

WORKFLOWS = "select count(*) from baton.workflows"


def pair(name: str, **options: Any) -> Workflow:
    return Workflow(name, **options).add("a", job()).add("b", job(), deps=["a"])


def rich() -> Workflow:
    """Every kind of step, and whatever a workflow gives to its jobs."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    odd = job(
        "tests.odd",
        args={"text": 'it\'s "quoted" \\ {and, more} \u00e9', "none": None},
        meta={"mine": [1]},
        tags=["own"],
        queue="slow",
        timeout=3,
        deadline=later,
        weight=2,
        max_attempts=4,
    )
    inner = Workflow("inner", priority=7).add("first", job()).add("last", job(), deps=["first"])
    return (
        Workflow("rich", tags=["all"], context={"who": "ann"}, debug=True)
        .add('start "here", {now}\\', odd)
        .add("later", job(scheduled_at=later))
        .add("soon", job(schedule_in=60))
        .add("sub", inner, deps=["later"])
        .wait_for("said", "go")
        .add("end", job(), deps=["sub", "said"], ignore_cancelled=True, run_on="done")
    )


async def test_many_workflows_are_inserted_and_their_jobs_come_back_in_order(
    database: str,
) -> None:
    flows = [pair(f"flow {number}") for number in range(50)]
    async with Client(database) as client, process(database) as worker:
        inserted = await client.insert_workflows(flows)
        assert [[each.step_name for each in jobs] for jobs in inserted] == [["a", "b"]] * 50
        assert [jobs[0].workflow_id for jobs in inserted] == [flow.workflow_id for flow in flows]
        ids = [each.id for jobs in inserted for each in jobs]
        assert ids == sorted(ids)
        assert await worker.run_all(20) == 100
        finished = "select count(*) from baton.workflows where state = 'completed'"
        assert await value(database, finished) == 50


async def test_what_comes_back_is_what_is_stored(database: str) -> None:
    async with Client(database) as client:
        inserted = await client.insert_workflows([rich(), pair("plain"), rich()])
        for jobs in inserted:
            for each in jobs:
                assert each == await client.get_job(each.id)
        assert [each.step_name for each in inserted[0]] == rich().step_names()


async def test_a_workflow_among_others_is_as_it_is_alone(database: str) -> None:
    facts = """
      select step_name, state, deps, kind, run_on, ignore_cancelled, signal, queue, worker
      from baton.workflow_nodes
      where workflow_id = any (%s) or workflow = 'inner'
      order by workflow, job_id
    """
    alone, among = rich(), rich()
    async with Client(database) as client:
        await client.insert_workflow(alone)
        first = await rows(database, facts, [alone.workflow_id])
        await rows(database, "delete from baton.workflow_steps returning 1")
        await client.insert_workflows([pair("x"), among])
        assert await rows(database, facts, [among.workflow_id]) == first


async def test_nothing_is_inserted_when_one_is_not_valid(database: str) -> None:
    circle = Workflow("circle").add("a", job(), deps=["b"]).add("b", job(), deps=["a"])
    async with Client(database) as client:
        with pytest.raises(CyclicWorkflow):
            await client.insert_workflows([pair("good"), circle])
        with pytest.raises(InvalidWorkflow, match="'b' is not a workflow"):
            await client.insert_workflows([pair("good"), "b"])  # type: ignore[list-item]
        assert await value(database, WORKFLOWS) == 0


async def test_an_id_that_is_taken_is_named_and_nothing_is_inserted(database: str) -> None:
    taken = pair("taken")
    async with Client(database) as client:
        await client.insert_workflow(taken)
        again = pair("again", workflow_id=taken.workflow_id)
        with pytest.raises(DuplicateWorkflow, match=str(taken.workflow_id)):
            await client.insert_workflows([pair("new"), again])
        twice = pair("twice")
        with pytest.raises(DuplicateWorkflow, match=str(twice.workflow_id)):
            await client.insert_workflows([pair("new"), twice, twice])
        assert await value(database, WORKFLOWS) == 1


async def test_no_workflows_are_no_work(database: str) -> None:
    async with Client(database) as client:
        assert await client.insert_workflows([]) == []


async def test_those_whose_key_executes_give_back_the_jobs_that_are_there(database: str) -> None:
    async with Client(database) as client:
        there = await client.insert_workflow(pair("there", unique="k"))
        new, old, first, second = await client.insert_workflows(
            [
                pair("new"),
                pair("old", unique="k"),
                pair("first", unique="l"),
                pair("second", unique="l"),
            ]
        )
    assert [each.id for each in old] == [each.id for each in there]
    assert [each.id for each in second] == [each.id for each in first]
    assert [each.conflict for each in (*new, *old, *first, *second)] == [
        *[False] * 2,
        *[True] * 2,
        *[False] * 2,
        *[True] * 2,
    ]
    assert await value(database, WORKFLOWS) == 3


async def test_edges_are_right_when_a_workflow_in_front_is_left_out(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(Workflow("there", unique="k").add("only", job(queue="other")))
        await client.insert_workflows([pair("left out", unique="k"), pair("in")])
        assert [each.step_name for each in await worker.fetch(10)] == ["a"]
        assert await states(database) == {
            "only": "available",
            "a": "executing",
            "b": "suspended",
        }


async def test_batches_with_the_same_keys_in_another_order_wait_for_each_other(
    database: str,
) -> None:
    """And don't deadlock: keys are taken in their order, not in that of the batch."""
    found: list[str] = []
    async with Client(database) as client:

        async def first(conn: Any) -> None:
            await client.insert_workflows([pair("1", unique="x"), pair("2", unique="y")], conn=conn)

        async def second() -> None:
            flows = [pair("3", unique="y"), pair("4", unique="x")]
            inserted = await client.insert_workflows(flows)
            found.extend(str(jobs[0].meta["workflow_label"]) for jobs in inserted)

        await in_turn(database, first, second)
    assert found == ["2", "1"]


async def test_a_program_without_an_event_loop_inserts_many_too(database: str) -> None:
    def insert() -> list[list[State]]:
        with SyncClient(database) as client:
            jobs = client.insert_workflows([pair("one"), pair("two", unique="k"), pair("three")])
            return [[each.state for each in each_flow] for each_flow in jobs]

    assert await anyio.to_thread.run_sync(insert) == [[State.AVAILABLE, State.SUSPENDED]] * 3
