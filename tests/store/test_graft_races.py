"""Steps are added while others work, with real locks that are held and waited for."""

from typing import Any

import anyio
import pytest

from baton.client import Client
from baton.errors import (
    BatonError,
    CyclicWorkflow,
    DuplicateWorkflow,
    JobLost,
    StepBegun,
    StepTaken,
    WorkflowEnded,
)
from baton.jobs import Job
from baton.states import State
from baton.workflows import Graft, Workflow
from tests.store.grafting import (
    complete_over,
    completed_ack,
    graft_over,
    names,
    returns,
    sweep,
)
from tests.support import Process, connection, done, ended, in_turn, job, process, states, value

pytestmark = pytest.mark.anyio

PARTS = Graft().add("a", job())


def split_and_join() -> Workflow:
    return Workflow("w").add("split", job()).add("join", job(), deps=["split"])


async def begin(client: Client, worker: Process, flow: Workflow) -> Job:
    await client.insert_workflow(flow)
    [first] = await worker.fetch(10)
    return first


async def finish(conn: Any, worker: Process, each: Job) -> None:
    """Only the first half of a cycle: the step has ended, and what follows is owed."""
    await conn.execute(
        "select baton.finish_jobs(%s, %s, %s, '{completed}', '{0}', '{f}', '{null}', '{1}', '{t}')",
        (worker.lease, [each.id], [each.epoch]),
    )


async def advance(conn: Any) -> None:
    """Only the second half, for everything that is owed."""
    await conn.execute("select baton.advance_release(id, false) from baton.workflow_releases")


async def state(database: str) -> Any:
    return await value(database, "select state::text from baton.workflows")


async def test_a_fan_in_waits_for_what_is_added_while_its_last_dependency_ends(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        a, b = await returns(database, worker, split, Graft().fan_out("part", [job(), job()]))
        async with connection(database) as conn, conn.transaction():
            await complete_over(conn, a, Graft().add("c", job()))
            assert await worker.complete(b, capacity=10) == []
        [c] = (await worker.cycles.cycle(worker.lease, [completed_ack(a)], {"default": 9})).jobs
        assert c.step_name == "c"
        assert names(await worker.complete(c, capacity=10)) == ["join"]


async def test_a_cancellation_that_waited_for_a_returned_graft_comes_too_late(
    database: str,
) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())
        cancelled: list[bool] = []

        async def cancel() -> None:
            cancelled.append(await client.cancel_job(split.id))

        await in_turn(database, lambda conn: complete_over(conn, split, PARTS), cancel)
        assert cancelled == [False]
        assert names(await worker.fetch(10)) == ["a"]


async def test_a_graft_that_waited_for_a_cancellation_is_refused(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, split_and_join())

        async def graft() -> None:
            async with connection(database) as conn:
                with pytest.raises(JobLost):
                    await graft_over(conn, split, PARTS)

        await in_turn(database, lambda conn: client.cancel_job(split.id, conn=conn), graft)
        await sweep(database)
        assert await states(database) == {"split": "cancelled", "join": "cancelled"}
        assert await state(database) == "failed"


@pytest.mark.parametrize("returned", [False, True])
async def test_a_cancelled_workflow_takes_along_what_is_being_added(
    database: str, returned: bool
) -> None:
    flow = split_and_join()
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)

        async def graft(conn: Any) -> None:
            await (complete_over if returned else graft_over)(conn, split, PARTS)

        async def cancel() -> None:
            await client.cancel_workflow(flow.workflow_id)

        await in_turn(database, graft, cancel)
        await sweep(database)
        found = await states(database)
    assert (found["a"], found["join"]) == ("cancelled", "cancelled")
    assert await state(database) == "failed"


async def test_a_retry_that_waited_for_a_graft_begins_anew_and_keeps_it(database: str) -> None:
    flow = split_and_join()
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)

        async def retry() -> None:
            await client.retry_workflow(flow.workflow_id, ["split"])

        await in_turn(database, lambda conn: graft_over(conn, split, PARTS), retry)
        again, a = sorted(await worker.fetch(10), key=lambda each: each.id)
        assert await returns(database, worker, again, PARTS) == []
        assert names(await worker.complete(a, capacity=10)) == ["join"]


async def test_a_graft_that_waited_for_a_retry_is_refused(database: str) -> None:
    flow = split_and_join()
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)

        async def graft() -> None:
            async with connection(database) as conn:
                with pytest.raises(JobLost):
                    await complete_over(conn, split, PARTS)

        await in_turn(
            database,
            lambda conn: client.retry_workflow(flow.workflow_id, ["split"], conn=conn),
            graft,
        )
        [again] = await worker.fetch(10)
        assert names(await returns(database, worker, again, PARTS)) == ["a"]


async def test_a_workflow_does_not_finish_while_steps_are_added(database: str) -> None:
    flow = Workflow("w").add("only", job())
    async with Client(database) as client, process(database) as worker:
        only = await begin(client, worker, flow)
        async with connection(database) as conn, conn.transaction():
            await client.graft(flow.workflow_id, PARTS, conn=conn)
            await worker.complete(only)
        await sweep(database)
        assert await state(database) == "executing"
        [a] = await worker.fetch(10)
        await worker.complete(a)
        await sweep(database)
    assert await state(database) == "completed"


async def test_a_graft_that_waited_for_the_end_of_its_workflow_is_refused(database: str) -> None:
    flow = Workflow("w").add("only", job())
    async with Client(database) as client, process(database) as worker:
        only = await begin(client, worker, flow)
        async with connection(database) as conn:
            await finish(conn, worker, only)

        async def graft() -> None:
            with pytest.raises(WorkflowEnded):
                await client.graft(flow.workflow_id, PARTS)

        await graft()  # it has no open step
        await in_turn(database, advance, graft)
    assert await state(database) == "completed"


async def test_a_step_is_not_released_while_others_are_added_before_it(database: str) -> None:
    flow = split_and_join()
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        async with connection(database) as conn, conn.transaction():
            await client.graft(flow.workflow_id, PARTS, before=["join"], conn=conn)
            assert await worker.complete(split, capacity=10) == []
        await sweep(database)
        [a] = await worker.fetch(10)
        assert names(await worker.complete(a, capacity=10)) == ["join"]


async def test_a_gate_that_closes_between_the_look_and_the_lock_stays_closed(database: str) -> None:
    """The look reads no jobs and the lock does, so it waits there for who has locked the table."""
    flow = split_and_join()
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        async with connection(database) as conn:
            await finish(conn, worker, split)

            async def graft(holder: Any) -> None:
                await holder.execute("lock table baton.jobs in exclusive mode")
                await client.graft(flow.workflow_id, PARTS, before=["join"], conn=holder)

            await in_turn(database, graft, lambda: advance(conn))
    assert await states(database) == {"split": "completed", "join": "suspended", "a": "available"}


async def test_a_graft_before_a_step_that_was_just_released_is_refused(database: str) -> None:
    flow = split_and_join()
    async with Client(database) as client, process(database) as worker:
        split = await begin(client, worker, flow)
        async with connection(database) as conn:
            await finish(conn, worker, split)

        async def graft() -> None:
            with pytest.raises(StepBegun, match="available"):
                await client.graft(flow.workflow_id, PARTS, before=["join"])

        await in_turn(database, advance, graft)
        assert names(await worker.fetch(10)) == ["join"]


def two_splits() -> Workflow:
    return (
        Workflow("w")
        .add("left", job())
        .add("right", job())
        .add("after left", job(), deps=["left"])
        .add("after right", job(), deps=["right"])
    )


async def second_graft(database: str, first: Graft, second: Graft, error: type[BatonError]) -> None:
    """Two steps add steps at once; the second waits for the first and is refused."""
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(two_splits())
        left, right = await worker.fetch(10)

        async def graft() -> None:
            async with connection(database) as conn:
                with pytest.raises(error):
                    await graft_over(conn, right, second)

        await in_turn(database, lambda conn: graft_over(conn, left, first), graft)
        await worker.acknowledge(done(left), done(right))
        await sweep(database)
        while jobs := await worker.fetch(10):
            await worker.complete(*jobs)
    assert await value(database, "select bool_and(state = 'completed') from baton.workflows")


async def test_of_two_steps_that_add_the_same_name_one_is_refused(database: str) -> None:
    # each other's names in another order, too: nobody waits in a circle
    first = Graft().add("a", job()).add("z", job(), deps=["a"])
    second = Graft().add("z", job()).add("a", job(), deps=["z"])
    await second_graft(database, first, second, StepTaken)


async def test_of_two_steps_that_add_the_same_workflow_one_is_refused(database: str) -> None:
    inner = Workflow("built once").add("a", job())
    first, second = Graft().add("one", inner), Graft().add("two", inner)
    await second_graft(database, first, second, DuplicateWorkflow)


async def test_two_grafts_can_not_close_a_circle_together(database: str) -> None:
    first = Graft().add("a", job(), deps=["after right"])
    second = Graft().add("b", job(), deps=["after left"])
    await second_graft(database, first, second, CyclicWorkflow)


async def test_steps_that_add_steps_do_not_wait_for_each_other(database: str) -> None:
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(two_splits())
        left, right = await worker.fetch(10)
        async with connection(database) as conn, conn.transaction():
            await complete_over(conn, left, Graft().add("a", job()))
            with anyio.fail_after(60):
                jobs = await returns(database, worker, right, Graft().add("b", job()))
            assert names(jobs) == ["b"]


async def test_what_is_added_onto_a_failure_is_cancelled(database: str) -> None:
    flow = split_and_join().add("bad", job())
    async with Client(database) as client, process(database) as worker:
        await client.insert_workflow(flow)
        split, bad = await worker.fetch(10)
        async with connection(database) as conn, conn.transaction():
            await complete_over(conn, split, Graft().add("a", job(), deps=["bad"]))
            await worker.acknowledge(ended(bad, State.DISCARDED))
        await worker.acknowledge(completed_ack(split))
    assert await states(database) == {
        "split": "completed",
        "bad": "discarded",
        "a": "cancelled",
        "join": "cancelled",
    }


def around(inner: Workflow, **options: Any) -> Workflow:
    return Workflow("outer").add("first", job()).add("inner", inner, deps=["first"], **options)


@pytest.mark.parametrize("skipped", [True, False])
async def test_what_is_added_to_a_sub_workflow_while_its_step_ends_ends_with_it(
    database: str, skipped: bool
) -> None:
    inner = Workflow("inner").add("x", job())
    outer = around(inner, run_on="failed" if skipped else "completed")
    async with Client(database) as client, process(database) as worker:
        first = await begin(client, worker, outer)
        if not skipped:
            [_] = await worker.complete(first, capacity=10)
        _, holder, *_ = await client.get_workflow_jobs(outer.workflow_id)
        async with connection(database) as conn, conn.transaction():
            await client.graft(inner.workflow_id, Graft().add("y", job()), conn=conn)
            if skipped:
                await worker.complete(first)
            else:
                assert await client.cancel_job(holder.id)
            with anyio.fail_after(60):
                await sweep(database)
        await sweep(database)
    ends = "completed" if skipped else "cancelled"
    found = await states(database)
    assert {found[name] for name in ("inner", "x", "y")} == {ends}
    query = "select count(*) from baton.workflows where state = 'executing'"
    assert await value(database, query) == 0
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_graft_that_waited_for_the_end_of_the_step_around_it_is_refused(
    database: str,
) -> None:
    inner = Workflow("inner").add("x", job())
    outer = around(inner)
    async with Client(database) as client, process(database) as worker:
        first = await begin(client, worker, outer)
        [_] = await worker.complete(first, capacity=10)
        _, holder, *_ = await client.get_workflow_jobs(outer.workflow_id)
        await client.cancel_job(holder.id)

        async def graft() -> None:
            with pytest.raises(WorkflowEnded):
                await client.graft(inner.workflow_id, Graft().add("y", job()))

        await in_turn(database, advance, graft)
        await sweep(database)
    assert await states(database) == {"first": "completed", "inner": "cancelled", "x": "cancelled"}


@pytest.mark.parametrize("grafted_first", [True, False])
async def test_a_step_is_skipped_while_others_add_to_the_workflow_that_it_is(
    database: str, grafted_first: bool
) -> None:
    inner = Workflow("inner").add("x", job())
    outer = around(inner)
    async with Client(database) as client, process(database) as worker:
        first = await begin(client, worker, outer)
        [_] = await worker.complete(first, capacity=10)
        added: list[bool] = []

        async def graft(conn: Any = None) -> None:
            try:
                await client.graft(inner.workflow_id, Graft().add("y", job()), conn=conn)
            except WorkflowEnded:
                added.append(False)
            else:
                added.append(True)

        async def skip(conn: Any = None) -> None:
            assert await client.skip_step(outer.workflow_id, "inner", conn=conn)

        if grafted_first:
            await in_turn(database, graft, skip)
        else:
            await in_turn(database, skip, graft)
        await sweep(database)
        assert added == [grafted_first]
    found = await states(database)
    assert found.pop("inner") == found.pop("first") == "completed"
    assert set(found.values()) == {"cancelled"}
    query = "select count(*) from baton.workflows where state = 'executing'"
    assert await value(database, query) == 0
