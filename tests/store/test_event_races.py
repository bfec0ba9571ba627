"""The last word about a step, when what is to be told and what changes it meet."""

from typing import Any

import pytest

from baton import Client, Workflow
from baton.states import State
from tests.services.test_events import bare_listener
from tests.support import connection, ended, in_turn, job, process, rows, value

pytestmark = pytest.mark.anyio

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"
ACKNOWLEDGE = """
  select accepted from baton.finish_jobs(
    %s, array[%s::bigint], array[%s::bigint], '{retryable}', '{60}', '{f}',
    array['{"kind": "error", "message": "broken"}'], array[null::text], '{t}'
  )
"""
PUBLISH = """
  select baton.publish(told.flows, told.events)
  from baton.setback_events(
    %s, array[%s::bigint], array[%s::bigint], '{retryable}', '{f}',
    array['{"kind": "error", "message": "broken"}'], array[%s::bigint]
  ) as told
"""


async def test_a_cancellation_waits_until_the_failed_attempt_is_told(database: str) -> None:
    """So that whoever listens hears of it last."""
    flow = Workflow("flow").add("a", job())
    async with (
        Client(database) as client,
        process(database) as worker,
        bare_listener(database, "workflow:all") as heard,
    ):
        await client.insert_workflow(flow)
        [mine] = await worker.fetch()
        await rows(database, ACKNOWLEDGE, worker.lease, mine.id, mine.epoch)

        async def publish(conn: Any) -> None:
            await conn.execute(PUBLISH.encode(), (worker.lease, mine.id, mine.epoch, mine.id))

        async def cancel() -> None:
            assert await client.cancel_job(mine.id)

        await in_turn(database, publish, cancel)
        await value(database, SWEEP)
        assert [event.get("state") for event in await heard()] == [
            "executing",
            "retryable",
            "cancelled",
            None,
        ]


async def test_a_failed_attempt_is_not_told_once_its_step_has_moved_on(database: str) -> None:
    flow = Workflow("flow").add("a", job()).add("b", job())
    async with (
        Client(database) as client,
        process(database) as worker,
        bare_listener(database, "workflow:all") as heard,
    ):
        await client.insert_workflow(flow)
        claimed = await worker.fetch(2)
        for each in claimed:
            await rows(database, ACKNOWLEDGE, worker.lease, each.id, each.epoch)
        cancelled, retried = claimed
        await client.cancel_job(cancelled.id)
        await client.retry_job(retried.id)
        await worker.fetch()
        for each in claimed:
            await rows(database, PUBLISH, worker.lease, each.id, each.epoch, each.id)
        events = [(event["step_name"], event["state"]) for event in await heard()]
    assert events == [("a", "executing"), ("b", "executing"), ("b", "executing")]


async def test_telling_waits_for_nobody(database: str) -> None:
    """A job that somebody else has locked is left to them; the cycle goes on."""
    flow = Workflow("flow").add("a", job())
    async with (
        Client(database) as client,
        process(database) as worker,
        bare_listener(database, "workflow:all") as heard,
    ):
        await client.insert_workflow(flow)
        [mine] = await worker.fetch()
        await rows(database, ACKNOWLEDGE, worker.lease, mine.id, mine.epoch)
        async with connection(database) as holder, holder.transaction():
            await client.cancel_job(mine.id, "not wanted", conn=holder)
            await rows(database, PUBLISH, worker.lease, mine.id, mine.epoch, mine.id)
        await value(database, SWEEP)
        assert [event.get("state") for event in await heard()] == ["executing", "cancelled", None]


async def test_every_event_of_a_large_batch_arrives_once_and_in_order(database: str) -> None:
    flow = Workflow("large")
    for index in range(500):
        flow.add(f"{index}", job())
    async with (
        Client(database) as client,
        process(database) as worker,
        bare_listener(database, f"workflow:{flow.workflow_id}") as heard,
    ):
        await client.insert_workflow(flow)
        jobs = await worker.fetch(500)
        error = '{"kind": "error", "message": "' + "x" * 4_000 + '"}'
        last = jobs[-1]
        acks = [ended(each, State.COMPLETED) for each in jobs[:-1]]
        await worker.acknowledge(*acks, ended(last, State.DISCARDED, error=error))
        events = await heard()
    told = [(event["job_id"], event["state"]) for event in events[:-1]]
    assert len(told) == len(set(told)) == 1_000
    assert {state for _, state in told[:500]} == {"executing"}
    assert events[-1]["failed_steps"] == [str(last.step_name)]
