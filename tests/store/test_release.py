"""The release protocol: dependents start exactly once, and as soon as they may."""

from functools import partial
from uuid import uuid4

import anyio
import pytest

from baton.client import Client
from baton.states import State
from baton.workflows import Workflow
from tests.support import (
    Process,
    connection,
    done,
    ended,
    job,
    nap,
    process,
    rows,
    states,
    value,
    waiters,
)

pytestmark = pytest.mark.anyio

START_BY_HAND = """
  update baton.jobs set state = 'available' where meta ->> 'workflow_name' = 'b' returning id
"""


def diamond(name: str = "diamond") -> Workflow:
    return (
        Workflow(name)
        .add("fetch", job())
        .add("left", job(), deps=["fetch"])
        .add("right", job(), deps=["fetch"])
        .add("join", job(), deps=["left", "right"])
    )


async def insert(database: str, *workflows: Workflow) -> None:
    async with Client(database) as client:
        for workflow in workflows:
            await client.insert_workflow(workflow)


async def test_a_cycle_starts_what_its_own_ack_released(database: str) -> None:
    await insert(database, diamond())
    async with process(database) as worker:
        [fetch] = await worker.fetch(10)
        released = await worker.complete(fetch, capacity=10)
    assert [each.step_name for each in released] == ["left", "right"]


async def test_a_step_waits_for_its_last_dependency(database: str) -> None:
    await insert(database, diamond())
    async with process(database) as worker:
        [fetch] = await worker.fetch(10)
        left, right = await worker.complete(fetch, capacity=10)
        assert await worker.complete(left, capacity=10) == []
        [join] = await worker.complete(right, capacity=10)
    assert join.step_name == "join"


async def test_a_workflow_is_finished_once_with_its_last_step(database: str) -> None:
    flow = diamond()
    await insert(database, flow)
    async with process(database) as worker:
        assert await worker.run_all() == 4
    assert await rows(database, "select id, state::text from baton.workflows") == [
        (flow.workflow_id, "completed")
    ]
    completions = "select workflow_id, outcome::text, failed_steps from baton.workflow_completions"
    assert await rows(database, completions) == [(flow.workflow_id, "completed", [])]
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_results_of_dependencies_come_with_the_step(database: str) -> None:
    await insert(database, diamond())
    async with process(database) as worker:
        [fetch] = await worker.fetch(10)
        await worker.acknowledge(done(fetch, '{"documents": [1, 2]}'))
        left, right = await worker.fetch(10)
        await worker.acknowledge(done(left, '"left"'), done(right))
        [join] = await worker.fetch(10)
    assert left.result("fetch") == {"documents": [1, 2]}
    assert join.results() == {"left": "left", "right": None}


@pytest.mark.parametrize(("parents", "children"), [(2, 2_000), (8, 250)])
async def test_last_dependencies_that_end_together_lose_no_wake_up(
    database: str, parents: int, children: int
) -> None:
    """Eight processes; the parents of a child are ended by different ones, in step."""
    processes = 8
    flow = Workflow("pairs")
    for child in range(children):
        names = [f"{child}.{parent}" for parent in range(parents)]
        for parent, name in enumerate(names):
            flow.add(name, job(queue=f"queue{(child * parents + parent) % processes}"))
        flow.add(f"child{child}", job(queue="children"), deps=names)
    await insert(database, flow)

    async def end_parents(index: int) -> None:
        async with process(database) as worker:
            while jobs := await worker.fetch(5, queue=f"queue{index}"):
                await worker.acknowledge(*(done(each) for each in jobs))

    async with anyio.create_task_group() as tasks:
        for index in range(processes):
            tasks.start_soon(end_parents, index)

    query = "select state::text, count(*) from baton.jobs where queue = 'children' group by 1"
    assert await rows(database, query) == [("available", children)]


async def test_an_end_is_committed_before_the_steps_after_it_are_looked_at(database: str) -> None:
    """Else two ends at once would each find the other one open; here the fetch is held up."""
    await insert(database, Workflow("pair").add("a", job()).add("b", job(), deps=["a"]))
    async with (
        process(database) as worker,
        connection(database) as holder,
        connection(database) as looking,
        anyio.create_task_group() as tasks,
    ):
        [a] = await worker.fetch()
        async with holder.transaction():
            await holder.execute("select pg_advisory_xact_lock(hashtext('baton.queues'), 0)")
            tasks.start_soon(partial(worker.complete, a, capacity=1))
            with anyio.fail_after(60):
                while await waiters(looking) == 0:
                    await nap()
            assert await states(database) == {"a": "completed", "b": "suspended"}


async def test_wide_fan_in_is_released_once_by_eight_processes(database: str) -> None:
    width = 1_000
    flow = Workflow("wide").add("root", job())
    for index in range(width):
        flow.add(f"leaf{index}", job(), deps=["root"])
    flow.add("join", job(), deps=[f"leaf{index}" for index in range(width)])
    await insert(database, flow)
    ran: list[str] = []

    async def work() -> None:
        async with process(database) as worker:
            while await value(database, "select count(*) from baton.workflow_completions") == 0:
                jobs = await worker.fetch(20)
                while jobs:
                    ran.extend(each.step_name or "" for each in jobs)
                    jobs = await worker.complete(*jobs, capacity=20)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(work)
    assert sorted(ran) == sorted(flow.step_names())
    assert ran[-1] == "join"


async def test_a_failed_step_cancels_its_whole_closure_at_once_with_causes(database: str) -> None:
    flow = (
        Workflow("chain")
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("c", job(), deps=["b"])
        .add("other", job(queue="other"))
    )
    await insert(database, flow)
    async with process(database) as worker:
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED, error='{"message": "broken"}'))
    assert await states(database) == {
        "a": "discarded",
        "b": "cancelled",
        "c": "cancelled",
        "other": "available",
    }
    errors = dict(await rows(database, "select step_name, error from baton.workflow_nodes"))
    assert errors == {
        "a": "broken",
        "b": "dependency a was discarded",
        "c": "dependency b was cancelled",
        "other": None,
    }


@pytest.mark.parametrize(
    ("state", "flags", "expected"),
    [
        (State.CANCELLED, {}, "cancelled"),
        (State.CANCELLED, {"ignore_cancelled": True}, "available"),
        (State.CANCELLED, {"ignore_discarded": True}, "cancelled"),
        (State.DISCARDED, {}, "cancelled"),
        (State.DISCARDED, {"ignore_discarded": True}, "available"),
        (State.DISCARDED, {"ignore_cancelled": True}, "cancelled"),
    ],
)
async def test_ignore_flags_decide_whether_a_bad_end_poisons(
    database: str, state: State, flags: dict[str, bool], expected: str
) -> None:
    flow = Workflow("flags").add("a", job()).add("b", job(), deps=["a"], **flags)
    await insert(database, flow)
    async with process(database) as worker:
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, state))
    assert (await states(database))["b"] == expected


async def test_a_step_behind_a_cancelled_one_runs_when_it_ignores_cancelling(database: str) -> None:
    flow = (
        Workflow("clean-up")
        .add("a", job())
        .add("b", job(), deps=["a"])
        .add("clean", job(), deps=["b"], ignore_cancelled=True)
    )
    await insert(database, flow)
    async with process(database) as worker:
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.DISCARDED))
        assert await worker.run_all() == 1
    completions = "select outcome::text, failed_steps from baton.workflow_completions"
    assert await rows(database, completions) == [("failed", ["a", "b"])]


async def test_a_retryable_dependency_is_still_open(database: str) -> None:
    await insert(database, Workflow("retry").add("a", job()).add("b", job(), deps=["a"]))
    async with process(database) as worker:
        [a] = await worker.fetch()
        await worker.acknowledge(ended(a, State.RETRYABLE, delay=3600))
    assert await states(database) == {"a": "retryable", "b": "suspended"}


async def test_the_sweep_finishes_what_a_crash_left_between_ack_and_release(database: str) -> None:
    await insert(database, diamond())
    async with process(database) as worker, connection(database) as conn:
        [fetch] = await worker.fetch()
        # the first half of a cycle alone: the process died before the second
        await conn.execute(
            """
            select baton.finish_jobs(
              %s, array[%s], array[%s::bigint], array['completed'::baton.job_state], array[0.0],
              array[false], array[null], array[null], array[true]
            )
            """,
            (worker.lease, fetch.id, fetch.epoch),
        )
        assert (await states(database))["left"] == "suspended"
        await conn.execute("select baton.sweep_releases(0, 0, 100)")
    assert (await states(database))["left"] == "available"
    assert await value(database, "select count(*) from baton.workflow_releases") == 0


async def test_a_held_dependent_is_not_waited_for_and_the_sweep_comes_back(database: str) -> None:
    await insert(database, Workflow("held").add("a", job()).add("b", job(), deps=["a"]))
    async with process(database) as worker, connection(database) as holder:
        [a] = await worker.fetch()
        async with holder.transaction():
            await holder.execute("select from baton.jobs where state = 'suspended' for update")
            with anyio.fail_after(60):
                await worker.acknowledge(done(a))
            assert (await states(database))["b"] == "suspended"
        await holder.execute("select baton.sweep_releases(0, 0, 100)")
    assert (await states(database))["b"] == "available"


async def test_a_held_workflow_is_finished_by_the_sweep(database: str) -> None:
    await insert(database, Workflow("held").add("a", job()))
    async with process(database) as worker, connection(database) as holder:
        [a] = await worker.fetch()
        async with holder.transaction():
            await holder.execute("select from baton.workflows for update")
            with anyio.fail_after(60):
                await worker.acknowledge(done(a))
        await holder.execute("select baton.sweep_releases(0, 0, 100)")
    assert await value(database, "select state::text from baton.workflows") == "completed"


async def test_a_step_started_by_hand_before_its_gate_waits_on(database: str) -> None:
    await insert(database, Workflow("early").add("a", job()).add("b", job(), deps=["a"]))
    await rows(database, START_BY_HAND)
    async with process(database) as worker:
        jobs = {each.step_name: each for each in await worker.fetch(10)}
        assert jobs["b"].step is not None
        assert jobs["b"].step.gate == "waiting"
        await worker.acknowledge(ended(jobs["b"], State.SUSPENDED, refund=True))
        assert await states(database) == {"a": "executing", "b": "suspended"}
        [b] = await worker.complete(jobs["a"], capacity=10)
    assert b.attempt == 1
    assert b.meta["snoozed"] == 1


async def test_a_step_that_waits_on_after_its_dependency_ended_is_released(database: str) -> None:
    """The gate opened between the early fetch and its acknowledgement."""
    await insert(database, Workflow("early").add("a", job()).add("b", job(), deps=["a"]))
    await rows(database, START_BY_HAND)
    async with process(database) as worker:
        jobs = {each.step_name: each for each in await worker.fetch(10)}
        await worker.complete(jobs["a"])
        await worker.acknowledge(ended(jobs["b"], State.SUSPENDED, refund=True))
    assert (await states(database))["b"] == "available"


async def test_a_step_started_by_hand_behind_a_bad_end_is_told_that_it_is_poisoned(
    database: str,
) -> None:
    await insert(database, Workflow("early").add("a", job()).add("b", job(), deps=["a"]))
    await rows(database, START_BY_HAND)
    async with process(database) as worker:
        jobs = {each.step_name: each for each in await worker.fetch(10)}
        await worker.acknowledge(ended(jobs["b"], State.AVAILABLE, refund=True))
        await worker.acknowledge(ended(jobs["a"], State.DISCARDED))
        [b] = await worker.fetch(10)
    assert b.step is not None
    assert (b.step.gate, b.step.cause) == ("poisoned", "dependency a was discarded")


async def test_a_released_step_keeps_its_own_schedule(database: str) -> None:
    flow = Workflow("later").add("a", job()).add("b", job(schedule_in=3_600.0), deps=["a"])
    await insert(database, flow)
    async with process(database) as worker:
        assert await worker.run_all() == 1
    assert await states(database) == {"a": "completed", "b": "scheduled"}


async def test_a_step_whose_job_was_deleted_can_still_be_looked_at(database: str) -> None:
    flow = Workflow("lost").add("a", job())
    await insert(database, flow)
    await rows(database, "delete from baton.jobs returning id")
    async with Client(database) as client:
        [node] = (await client.get_workflow(flow.workflow_id)).nodes
    assert (node.state, node.error) == ("cancelled", "its job was deleted")


async def test_a_step_says_why_it_did_not_run_or_what_went_wrong_last_and_nothing_stale(
    database: str,
) -> None:
    """An error that was got over is none of a step that completed, nor of one that begins anew."""
    flow = (
        Workflow("errors")
        .add("a", job(max_attempts=2))
        .add("b", job(), deps=["a"], run_on="failed")
        .add("c", job(), deps=["a"])
    )
    await insert(database, flow)

    async def errors() -> dict[str, str | None]:
        nodes = (await client.get_workflow(flow.workflow_id)).nodes
        return {node.step_name: node.error for node in nodes}

    async with Client(database) as client, process(database) as worker:
        [a] = await worker.fetch()
        failed = '{"kind": "OSError", "message": "no route"}'
        await worker.acknowledge(ended(a, State.RETRYABLE, delay=0.0, error=failed))
        assert await errors() == {"a": "no route", "b": None, "c": None}
        await client.retry_job(a.id)
        await worker.complete(*await worker.fetch())
        assert await errors() == {"a": None, "b": "no dependency failed", "c": None}
        await client.skip_step(flow.workflow_id, "c", reason="not needed")
        assert (await errors())["c"] == "not needed"
        await rows(database, "delete from baton.jobs returning id")
        assert await errors() == {"a": None, "b": "no dependency failed", "c": "not needed"}


async def test_a_step_that_begins_anew_says_nothing_of_its_life_before(database: str) -> None:
    flow = Workflow("anew").add("a", job(max_attempts=1)).add("b", job(), deps=["a"])
    await insert(database, flow)
    async with Client(database) as client, process(database) as worker:
        [a] = await worker.fetch()
        failed = '{"kind": "OSError", "message": "no route"}'
        await worker.acknowledge(ended(a, State.DISCARDED, error=failed))
        await client.retry_workflow(flow.workflow_id)
        nodes = (await client.get_workflow(flow.workflow_id)).nodes
    assert [(node.state, node.error) for node in nodes] == [
        ("available", None),
        ("suspended", None),
    ]


async def test_random_layers_run_every_step_once_and_in_order(database: str) -> None:
    layers, width = 12, 40
    flow = Workflow("layers", workflow_id=uuid4())
    for layer in range(layers):
        for index in range(width):
            deps = (
                [f"{layer - 1}.{(index * 7 + k * 11) % width}" for k in range(4)] if layer else []
            )
            flow.add(f"{layer}.{index}", job(), deps=deps)
    await insert(database, flow)
    ended_at: dict[str, int] = {}
    started: list[tuple[str, int]] = []
    clock = 0

    async def work(worker: Process) -> None:
        nonlocal clock
        while await value(database, "select count(*) from baton.workflow_completions") == 0:
            jobs = await worker.fetch(7)
            while jobs:
                for each in jobs:
                    clock += 1
                    started.append((each.step_name or "", clock))
                for each in jobs:
                    clock += 1
                    ended_at[each.step_name or ""] = clock
                jobs = await worker.complete(*jobs, capacity=7)

    async with anyio.create_task_group() as tasks:
        async with process(database) as one, process(database) as two, process(database) as three:
            async with anyio.create_task_group() as workers:
                for worker in (one, two, three):
                    workers.start_soon(work, worker)
        tasks.cancel_scope.cancel()
    assert len(started) == len(dict(started)) == layers * width
    begun = dict(started)
    for step in flow.steps():
        assert all(ended_at[dependency] < begun[step.name] for dependency in step.deps)
