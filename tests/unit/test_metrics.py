"""Metrics count what telemetry tells, and ask the database for the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry

from baton import Job, Telemetry
from baton.errors import DatabaseUnavailable, DuplicateHandler
from baton.metrics import HANDLER, Metrics
from baton.queues import QueueStatus
from baton.states import State

NOW = datetime(2026, 5, 1, tzinfo=UTC)
JOB = Job(
    id=1,
    state=State.EXECUTING,
    queue="mail",
    worker="send",
    args={},
    meta={},
    tags=(),
    priority=0,
    attempt=1,
    max_attempts=20,
    errors=[],
    epoch=1,
    inserted_at=NOW,
    scheduled_at=NOW,
)


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    yield CollectorRegistry()
    Telemetry.detach(HANDLER)


def start(job: Job) -> None:
    Telemetry.execute("baton.job.start", {"queue_time": 0.5}, {"job": job})


def stop(job: Job, state: str | None = "completed") -> None:
    measurements = {"duration": 2.0, "queue_time": 0.5}
    Telemetry.execute("baton.job.stop", measurements, {"job": job, "state": state})


def test_jobs_are_counted_while_they_run_and_when_they_end(registry: CollectorRegistry) -> None:
    Metrics(registry).attach()
    start(JOB)
    assert registry.get_sample_value("baton_jobs_running", {"queue": "mail"}) == 1
    stop(JOB)
    assert registry.get_sample_value("baton_jobs_running", {"queue": "mail"}) == 0
    labels = {"queue": "mail", "worker": "send", "state": "completed"}
    assert registry.get_sample_value("baton_job_duration_seconds_sum", labels) == 2
    assert registry.get_sample_value("baton_job_queue_time_seconds_sum", {"queue": "mail"}) == 0.5


def test_what_never_began_is_not_counted_as_ended(registry: CollectorRegistry) -> None:
    Metrics(registry).attach()
    start(JOB)
    stop(replace(JOB, id=2), "available")
    assert registry.get_sample_value("baton_jobs_running", {"queue": "mail"}) == 1
    labels = {"queue": "mail", "worker": "send", "state": "available"}
    assert registry.get_sample_value("baton_job_duration_seconds_count", labels) is None


def test_an_attempt_without_an_acknowledgement_was_abandoned(registry: CollectorRegistry) -> None:
    Metrics(registry).attach()
    start(JOB)
    stop(JOB, None)
    labels = {"queue": "mail", "worker": "send", "state": "abandoned"}
    assert registry.get_sample_value("baton_job_duration_seconds_count", labels) == 1


def test_spans_are_counted_by_how_they_ended(registry: CollectorRegistry) -> None:
    Metrics(registry).attach()
    with Telemetry.span("baton.queue", {}) as measured:
        measured["count"] = 3
    with pytest.raises(LookupError), Telemetry.span("baton.plugin", {"plugin": "sweep"}):
        raise LookupError
    assert registry.get_sample_value("baton_fetched_jobs_total") == 3
    labels = {"duty": "sweep", "result": "error"}
    assert registry.get_sample_value("baton_duty_duration_seconds_count", labels) == 1


def test_what_language_models_are_used_for_is_counted(registry: CollectorRegistry) -> None:
    Metrics(registry).attach()
    measured = {"calls": 1, "input_tokens": 30, "output_tokens": 2, "cached_tokens": 10}
    heard = (1, "mini", Decimal("0.5")), (0, "mini", Decimal(1)), (1, None, None)
    for calls, model, cost in heard:
        about = {"worker": "ask", "model": model}
        told = {**measured, "calls": calls, "cost": cost}
        Telemetry.execute("baton.llm.usage", told, about)
    by = {"worker": "ask", "model": "mini"}
    assert registry.get_sample_value("baton_llm_calls_total", by) == 1
    assert registry.get_sample_value("baton_llm_tokens_total", {**by, "type": "input"}) == 60
    assert registry.get_sample_value("baton_llm_tokens_total", {**by, "type": "output"}) == 4
    assert registry.get_sample_value("baton_llm_cached_tokens_total", by) == 20
    assert registry.get_sample_value("baton_llm_cost_dollars_total", by) == 1.5
    unknown = {"worker": "ask", "model": ""}
    assert registry.get_sample_value("baton_llm_unpriced_calls_total", unknown) == 1


def test_the_database_is_asked_once_for_scrapes_that_follow_each_other(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baton.metrics.monotonic", lambda: 100.0)  # however slow this machine is
    asked = 0

    def queues() -> Sequence[QueueStatus]:
        nonlocal asked
        asked += 1
        return [QueueStatus(name="mail", counts={"available": 5}, processes=2, slots=20)]

    metrics = Metrics(registry, queues=queues)
    metrics.attach()
    assert asked == 0
    metrics.render()
    text, _ = metrics.render()
    assert asked == 1
    assert b'baton_queue_jobs{queue="mail",state="available"} 5.0' in text
    assert b'baton_queue_slots{queue="mail"} 20.0' in text
    assert b'baton_queue_paused{queue="mail"} 0.0' in text


def test_a_database_that_is_away_is_a_metric_too(registry: CollectorRegistry) -> None:
    def queues() -> Sequence[QueueStatus]:
        raise DatabaseUnavailable("gone")

    metrics = Metrics(registry, queues=queues)
    metrics.attach()
    text, _ = metrics.render()
    assert b"baton_database_up 0.0" in text
    assert b"baton_queue_jobs" not in text


def test_nothing_is_left_when_it_is_detached(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    metrics.attach()
    with pytest.raises(DuplicateHandler):
        Metrics(CollectorRegistry()).attach()
    metrics.detach()
    metrics.detach()
    assert not list(registry.collect())
    metrics.attach()
