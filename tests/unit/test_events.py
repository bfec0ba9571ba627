"""What one who listens decides: whether an event is news, and what is kept for who is slow."""

import json
from typing import Any
from uuid import UUID

import pytest

from baton.events import (
    Buffer,
    Heard,
    Resumed,
    Snapshot,
    StepUpdated,
    WorkflowFinished,
    read,
    to_event,
)

FLOW = UUID(int=7)


def payload(**facts: Any) -> dict[str, Any]:
    return {
        "event": "workflow_step_updated",
        "schema": "baton",
        "transaction": 750,
        "workflow_id": str(FLOW),
        "workflow_label": None,
        "step_name": "a",
        "state": "executing",
        "skipped": False,
        "job_id": 1,
        "epoch": 1,
        "worker": None,
        "attempt": 1,
        "has_result": False,
        "error": None,
        "timestamp": "2026-01-01T12:00:00+02:00",
        **facts,
    }


def step(**facts: Any) -> StepUpdated:
    event = to_event(payload(**facts))
    assert isinstance(event, StepUpdated)
    return event


def end() -> WorkflowFinished:
    facts = {"event": "workflow_finished", "outcome": "failed", "failed_steps": ["a"]}
    event = to_event(payload(**facts, failed=1, duration=1.5))
    assert isinstance(event, WorkflowFinished)
    return event


def test_a_payload_becomes_a_value_and_stays_at_hand() -> None:
    event = step(error="broken")
    assert (event.workflow_id, event.step_name, event.error) == (FLOW, "a", "broken")
    assert event.timestamp.utcoffset() is not None
    assert event.payload["transaction"] == 750
    assert (end().outcome, end().failed_steps, end().duration) == ("failed", ("a",), 1.5)
    assert Resumed(reason="reconnected").payload["event"] == "resumed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        "[1, null, []]",
        json.dumps([{}]),
        json.dumps([payload(schema="other")]),
        json.dumps([payload(event="other")]),
        json.dumps([payload(workflow_id="x")]),
        json.dumps([payload(job_id="x")]),
        json.dumps([payload(timestamp=1)]),
        json.dumps([{"schema": "baton", "event": "workflow_finished"}]),
    ],
)
def test_what_is_no_event_of_this_schema_is_passed_over(text: str) -> None:
    assert list(read(text, "baton")) == []


def test_the_events_of_a_payload_keep_their_order() -> None:
    found = list(read(json.dumps([payload(job_id=2), 1, payload(job_id=1)]), "baton"))
    assert [event.payload["job_id"] for event in found] == [2, 1]


def test_a_snapshot_knows_what_it_has_seen() -> None:
    snapshot = Snapshot.of("100:105:101,103")
    seen = [xid for xid in range(99, 107) if snapshot.has(step(transaction=xid))]
    assert seen == [99, 100, 102, 104]
    assert Snapshot.of("7:7:").has(step(transaction=6))
    assert not Snapshot.of("7:7:").has(step(transaction=None))


def test_an_event_of_an_older_claim_or_a_repeated_one_is_no_news() -> None:
    heard = Heard()
    assert heard.is_news(step(epoch=2))
    assert not heard.is_news(step(epoch=1, state="completed"))
    assert not heard.is_news(step(epoch=2))
    assert heard.is_news(step(epoch=2, state="completed"))
    assert heard.ended() == [1]
    assert heard.is_news(step(epoch=3))
    assert heard.ended() == []
    assert heard.is_news(end())


def test_a_buffer_gives_back_what_it_was_given() -> None:
    buffer = Buffer(4)
    events = [step(job_id=1), step(job_id=1, state="completed"), end()]
    for event in events:
        buffer.add(event)
    assert [buffer.take() for _ in range(4)] == [*events, None]


def test_a_full_buffer_keeps_the_newest_event_of_each_step() -> None:
    buffer = Buffer(4)
    for attempt in range(1, 3):
        for job_id in (1, 2):
            buffer.add(step(job_id=job_id, attempt=attempt))
    buffer.add(step(job_id=1, state="completed"))
    assert [(e.job_id, e.state) for e in (buffer.take(), buffer.take()) if e] == [  # type: ignore[union-attr]
        (2, "executing"),
        (1, "completed"),
    ]
    assert buffer.take() is None


def test_a_buffer_with_too_many_steps_says_that_there_were_more() -> None:
    buffer = Buffer(4)
    for job_id in range(5):
        buffer.add(step(job_id=job_id))
    buffer.add(end())
    assert [buffer.take(), buffer.take()] == [Resumed(reason="overflowed"), end()]


def test_what_a_look_has_seen_is_forgotten() -> None:
    buffer = Buffer(4)
    for transaction in (3, 9):
        buffer.add(step(transaction=transaction))
    buffer.add(Resumed(reason="reconnected"))
    buffer.forget(Snapshot.of("5:5:"))
    assert [buffer.take(), buffer.take()] == [step(transaction=9), Resumed(reason="reconnected")]
