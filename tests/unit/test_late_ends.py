"""What a subscriber gets around the end of a workflow: late ends before it, all else after it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from baton.client.events import EventSource
from baton.client.hub import Hub, Subscription
from baton.events import Event, Resumed, Snapshot, StepUpdated, WorkflowFinished, to_event
from tests.unit.test_events import FLOW, payload, step

pytestmark = pytest.mark.anyio


class Listener:
    """Subscribes without a database: the end of a workflow is heard, and more during the look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.meanwhile: list[Event] = []
        self.found: list[StepUpdated | WorkflowFinished] = []
        database = cast(Any, SimpleNamespace(schema="baton"))
        self.source = EventSource(database, "postgresql://nowhere", timeout=1)
        joined: list[Subscription] = []

        async def join(_hub: Hub, subscription: Subscription) -> None:
            joined.append(subscription)
            subscription.hear(end("10:00:00"))

        async def states(*_: Any, **__: Any) -> Any:
            said, self.meanwhile = self.meanwhile, []
            for each in said:
                joined[0].resume() if isinstance(each, Resumed) else joined[0].hear(each)
            return Snapshot.of("1:1:"), self.found

        monkeypatch.setattr(Hub, "join", join)
        monkeypatch.setattr("baton.client.events.states", states)

    async def takes(self, count: int, *, follow: bool) -> list[Event]:
        subscribed = self.source.subscribe_workflow(FLOW, follow=follow, buffer=100)
        async with aclosing(subscribed) as events:
            with anyio.fail_after(60):
                return [event async for event in until(events, count)]


async def until(events: AsyncIterator[Event], count: int) -> AsyncIterator[Event]:
    for _ in range(count):
        yield await anext(events)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    return Listener(monkeypatch)


def at(time: str) -> str:
    return f"2026-01-01T{time}+00:00"


def end(time: str, *, seeded: bool = False) -> WorkflowFinished:
    facts = {"event": "workflow_finished", "outcome": "failed", "failed_steps": ["a"]}
    event = to_event(payload(**facts, failed=1, duration=1, timestamp=at(time)), seeded=seeded)
    assert isinstance(event, WorkflowFinished)
    return event


async def test_a_gap_and_a_rerun_at_the_end_of_a_workflow_are_told_after_it(
    listener: Listener,
) -> None:
    begun = step(epoch=2, timestamp=at("10:00:01"))
    later = [begun, Resumed(reason="reconnected"), end("10:00:02")]
    listener.meanwhile = later
    assert await listener.takes(4, follow=True) == [end("10:00:00"), *later]


@pytest.mark.parametrize("is_found", [True, False])
async def test_how_a_rerun_ends_is_told_between_the_two_ends(
    listener: Listener, is_found: bool
) -> None:
    done = step(epoch=2, state="completed", timestamp=at("10:00:02"))
    cancelled = step(job_id=2, state="cancelled", timestamp=at("10:00:03"))
    later = [step(epoch=2, timestamp=at("10:00:01")), done, cancelled, end("10:00:04")]
    listener.meanwhile = later
    listener.found = [done, cancelled, end("10:00:04", seeded=True)] if is_found else []
    assert await listener.takes(5, follow=True) == [end("10:00:00"), *later]


async def test_a_step_that_was_cancelled_anew_is_told_after_the_end(listener: Listener) -> None:
    cancelled = step(state="cancelled", timestamp=at("10:00:01"))
    listener.meanwhile = [cancelled, end("10:00:02")]
    listener.found = [end("10:00:02", seeded=True)]
    assert await listener.takes(2, follow=True) == [end("10:00:00"), cancelled]


async def test_a_late_end_comes_first_although_its_time_is_later(listener: Listener) -> None:
    """It committed while the transaction was under way that finished the workflow."""
    late = step(state="completed", timestamp=at("10:00:01"))
    listener.meanwhile = [late]
    listener.found = [end("10:00:00", seeded=True)]
    assert await listener.takes(2, follow=False) == [late, end("10:00:00")]
