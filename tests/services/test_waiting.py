"""Steps that wait: for a signal, for a time, and what a worker that waits finds afterwards."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from baton import Cancel, Client, Job, Registry, Waited, WaitForSignal, Workflow
from tests.services.test_node import all_final, finished, running, until
from tests.services.test_punctuality import LATE, NEVER, unwatched
from tests.support import rows, states, value

pytestmark = pytest.mark.anyio

__all__ = ["unwatched"]

WAITING = "select count(*) from baton.workflow_waits where woken_at is null"


def waiting(database: str, count: int = 1) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return int(await value(database, WAITING)) == count

    return check


async def test_a_worker_waits_for_a_signal_and_is_called_again(database: str) -> None:
    registry = Registry()
    seen: list[tuple[int, Waited | None]] = []

    @registry.worker()
    async def publish(job: Job) -> Any:
        seen.append((job.attempt, job.waited))
        return WaitForSignal("approved") if job.waited is None else job.waited.payload

    flow = Workflow("w").add("publish", publish.new())
    async with running(database, registry, poll_interval=60) as (_, client):
        await client.insert_workflow(flow)
        await until(waiting(database))
        assert await states(database) == {"publish": "suspended"}
        await client.signal_workflow(flow.workflow_id, "approved", {"by": "ann"})
        await until(finished(database))
        status = await client.get_workflow(flow.workflow_id)
    assert status.nodes[0].result == {"by": "ann"}
    assert seen == [(1, None), (1, Waited("approved", arrived=True, payload={"by": "ann"}))]
    assert await value(database, "select meta ? 'snoozed' from baton.jobs") is False


async def test_a_worker_whose_time_of_waiting_is_over_is_called_again(database: str) -> None:
    registry = Registry()

    @registry.worker()
    def publish(job: Job) -> Any:
        if job.waited is None:
            return WaitForSignal("approved", timeout=timedelta(milliseconds=50))
        return Cancel("nobody cared") if not job.waited.arrived else None

    async with running(database, registry, poll_interval=60) as (_, client):
        await client.insert_workflow(Workflow("w").add("publish", publish.new()))
        await until(finished(database))
    assert await states(database) == {"publish": "cancelled"}


async def test_a_worker_can_wait_for_one_signal_after_the_other_and_anew_when_it_is_retried(
    database: str,
) -> None:
    registry = Registry()

    @registry.worker()
    async def publish(job: Job) -> Any:
        match job.waited:
            case None:
                return WaitForSignal("first")
            case Waited("first"):
                return WaitForSignal("second")
            case waited:
                return waited.payload

    flow = Workflow("w").add("publish", publish.new())
    async with running(database, registry, poll_interval=60) as (_, client):
        await client.insert_workflow(flow)
        await client.signal_workflow(flow.workflow_id, "second", 2)
        await client.signal_workflow(flow.workflow_id, "first", 1)
        await until(finished(database))
        assert (await client.get_workflow(flow.workflow_id)).nodes[0].result == 2
        await client.retry_workflow(flow.workflow_id, "all")
        await until(waiting(database))
        assert await rows(database, "select name from baton.workflow_signals") == []
        await client.signal_workflow(flow.workflow_id, "first", 1)
        await client.signal_workflow(flow.workflow_id, "second", 3)
        await until(finished(database))
        assert (await client.get_workflow(flow.workflow_id)).nodes[0].result == 3


async def test_no_slot_is_held_while_a_worker_waits(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def wait(job: Job) -> Any:
        return WaitForSignal("go") if job.waited is None else None

    @registry.worker()
    async def work(_job: Job) -> None: ...

    flow = Workflow("w").add("wait", wait.new())
    settings = {"queues": ["default=1"], "poll_interval": 60}
    async with running(database, registry, **settings) as (_, client):
        await client.insert_workflow(flow)
        await until(waiting(database))
        job = await client.insert(work.new())

        async def done() -> bool:
            return (await client.get_job(job.id)).state.is_final

        await until(done)
        await client.signal_workflow(flow.workflow_id, "go")
        await until(finished(database))


async def test_a_plain_job_can_not_wait_for_a_signal(database: str) -> None:
    registry = Registry()

    @registry.worker(max_attempts=1)
    async def lonely(_job: Job) -> WaitForSignal:
        return WaitForSignal("approved")

    async with running(database, registry) as (_, client):
        await client.insert(lonely.new())
        await until(all_final(database))
        [job] = await client.list_jobs()
    assert job.state == "discarded"
    assert "only a step of a workflow can" in job.errors[0]["message"]


def test_a_wait_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be blank"):
        WaitForSignal("")
    with pytest.raises(ValueError, match="a delay must be"):
        WaitForSignal("approved", timeout=-1)
    assert repr(WaitForSignal("approved", 60)) == "WaitForSignal('approved', timeout=60)"


@pytest.mark.usefixtures("unwatched")
async def test_sleeps_end_when_their_time_is_over(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def nothing(_job: Job) -> None: ...

    flow = Workflow("w")
    for number in range(3):
        flow.add(f"before {number}", nothing.new())
        flow.sleep(f"sleep {number}", 0.3, deps=[f"before {number}"])
        flow.add(f"after {number}", nothing.new(), deps=[f"sleep {number}"])
    async with running(database, registry, poll_interval=NEVER) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
    query = """
      select
        max(extract(epoch from wait.woken_at - wait.until)),
        bool_and(wait.woken_at >= wait.until),
        max(extract(epoch from follower.attempted_at - wait.until))
      from baton.workflow_waits as wait
      join baton.workflow_edges as edge on edge.parent_id = wait.job_id
      join baton.jobs as follower on follower.id = edge.child_id
    """
    [(late, none_early, started)] = await rows(database, query)
    assert none_early
    assert late < LATE
    assert started < LATE


@pytest.mark.parametrize("outcome", ["completed", "discarded", "cancelled"])
async def test_a_signal_that_does_not_come_in_time_ends_the_step_as_it_says(
    database: str, outcome: Any
) -> None:
    flow = (
        Workflow("w")
        .wait_for("approved", timeout=0.05, on_timeout=outcome)
        .sleep("after", 0, deps=["approved"])
    )
    async with running(database, Registry(), poll_interval=60) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database))
        status = await client.get_workflow(flow.workflow_id)
    node = {each.step_name: each for each in status.nodes}["approved"]
    assert node.state == outcome
    after = "completed" if outcome == "completed" else "cancelled"
    assert await states(database) == {"approved": outcome, "after": after}
    if outcome != "completed":
        assert node.error == "signal approved did not come within 0.05 s"


async def test_a_workflow_past_its_deadline_is_cancelled(database: str) -> None:
    registry = Registry()
    begun = anyio.Event()

    @registry.worker()
    async def endless(_job: Job) -> None:
        begun.set()
        await anyio.sleep_forever()

    flow = (
        Workflow("w", deadline_in=3_600)
        .add("a", endless.new())
        .wait_for("b")
        .add("c", Workflow("inner").wait_for("d"))
    )
    async with running(database, registry, poll_interval=60) as (_, client):
        await client.insert_workflow(flow)
        await begun.wait()
        await rows(
            database, "update baton.workflows set deadline = now() where name = 'w' returning 1"
        )
        await until(finished(database, 2))
        status = await client.get_workflow(flow.workflow_id)
    assert status.state == "failed"
    assert {node.error for node in status.nodes} == {"its workflow is past its deadline"}


async def test_looking_at_the_time_writes_nothing_when_none_is_over(database: str) -> None:
    async with Client(database) as client:
        await client.insert_workflow(Workflow("w", deadline_in=500).sleep("s", 400))
    while await value(database, "select swept from baton.sweep_releases(0, 0, 100)"):
        pass
    look = "select ended, next_in from baton.keep_time(10)"
    [(ended, next_in)] = await rows(database, look)
    assert ended == 0
    assert 300 < next_in <= 400
    query = "select last_run_at = '-infinity' from baton.duties where name = 'time'"
    assert await value(database, query)


async def test_a_step_that_was_cancelled_while_it_waited_does_not_keep_the_time_busy(
    database: str,
) -> None:
    async with Client(database) as client:
        flow = Workflow("w").sleep("s", 0.001).wait_for("t", timeout=0.001)
        jobs = await client.insert_workflow(flow)
        await value(database, "select swept from baton.sweep_releases(0, 0, 100)")
        await client.cancel_job(jobs[0].id)
        await client.delete_job(jobs[1].id)
    look = "select ended, next_in, overdue from baton.keep_time(10)"
    [(ended, next_in, _)] = await rows(database, look)
    while ended < 2:
        [(more, next_in, _)] = await rows(database, look)
        ended += more
    assert next_in is None
    assert await value(database, WAITING) == 0
    assert await states(database) == {"s": "cancelled", "t": "cancelled"}


async def test_a_sub_workflow_past_its_own_deadline_is_cancelled_with_its_step(
    database: str,
) -> None:
    registry = Registry()

    @registry.worker()
    async def clean(_job: Job) -> None: ...

    flow = (
        Workflow("outer")
        .add("inner", Workflow("inner", deadline_in=0.1).wait_for("never"))
        .add("clean", clean.new(), deps=["inner"], run_on="failed")
    )
    async with running(database, registry, poll_interval=60) as (_, client):
        await client.insert_workflow(flow)
        await until(finished(database, 2))
    assert await states(database) == {
        "inner": "cancelled",
        "never": "cancelled",
        "clean": "completed",
    }


async def test_sub_workflows_run_in_a_process_on_several_levels(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def add(job: Job, number: int) -> int:
        return number + sum(value for value in job.results().values() if isinstance(value, int))

    deep = Workflow("deep", output="c").add("b", add.new(10)).add("c", add.new(100), deps=["b"])
    inner = Workflow("inner", output="deep").wait_for("go").add("deep", deep, deps=["go"])
    flow = (
        Workflow("outer")
        .add("a", add.new(1))
        .add("inner", inner, deps=["a"])
        .add("last", add.new(1_000), deps=["inner", "a"])
    )
    async with running(database, registry, poll_interval=60) as (_, client):
        await client.insert_workflow(flow)
        await client.signal_workflow(inner.workflow_id, "go", 5)
        await until(finished(database, 3))
        nodes = {
            node.step_name: node.result
            for node in (await client.get_workflow(flow.workflow_id)).nodes
        }
    assert nodes == {"a": 1, "inner": 115, "last": 1_116}
