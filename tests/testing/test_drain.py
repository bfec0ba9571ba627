"""`drain_queue`: jobs performed in the test's process, through the database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import baton
from baton import (
    Cancel,
    Client,
    Discard,
    Error,
    Job,
    Registry,
    Snooze,
    WaitForSignal,
    Workflow,
    resource,
)
from baton.errors import ConfigurationError, InvalidConnection, InvalidFilter
from baton.telemetry import Telemetry
from baton.testing import Drained, drain_queue, drain_queue_sync, manual
from tests.support import connection, rows, states, value

pytestmark = pytest.mark.anyio

Drain = Callable[..., Awaitable[Drained]]


@pytest.fixture(params=["async", "sync"])
def drain(request: pytest.FixtureRequest) -> Drain:
    """Both forms under one name."""
    if request.param == "async":
        return drain_queue

    async def drain(*args: Any, **options: Any) -> Drained:
        return drain_queue_sync(*args, **options)

    return drain


async def test_outcomes_are_written_and_counted(
    drain: Drain, manual: str, registry: Registry
) -> None:
    outcomes = {
        "ok": 1,
        "snooze": Snooze(60),
        "discard": Discard("no"),
        "cancel": Cancel("no"),
        "error": Error("no"),
    }

    @registry.worker()
    async def decide(_job: Job, what: str) -> Any:
        return outcomes[what]

    @registry.worker(max_attempts=1)
    def fails(_job: Job) -> None:
        raise LookupError("gone")

    await baton.insert_all([*(decide.new(what) for what in outcomes), fails.new()])
    await fails.with_options(queue="other").insert()
    drained = await drain()
    assert drained == Drained(completed=1, snoozed=1, discarded=2, cancelled=1, retryable=1)
    assert drained.total == 6
    found = await rows(manual, "select state::text, attempt from baton.jobs order by id")
    assert found == [
        ("completed", 1),
        ("scheduled", 0),
        ("discarded", 1),
        ("cancelled", 1),
        ("retryable", 1),
        ("discarded", 1),
        ("available", 0),
    ]
    assert await value(manual, "select count(*) from baton.leases") == 0
    assert await drain() == Drained()


async def test_jobs_are_performed_in_the_order_of_their_priority(
    drain: Drain, manual: str, registry: Registry
) -> None:
    ran: list[int] = []

    @registry.worker()
    def note(_job: Job, number: int) -> None:
        ran.append(number)

    for number in (5, 1, 9, 0):
        await note.with_options(priority=number).insert(number)
    await drain()
    assert ran == [0, 1, 5, 9]


async def test_51_newly_enqueued_jobs_run_when_recursive(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    async def countdown(_job: Job, number: int) -> None:
        if number:
            await countdown.insert(number - 1)

    @registry.worker()
    def plain_countdown(_job: Job, number: int) -> None:
        if number:
            plain_countdown.insert_sync(number - 1)

    await baton.insert_all([countdown.new(3), plain_countdown.new(3)])
    assert await drain(recursive=False) == Drained(completed=2)
    assert await drain() == Drained(completed=6)


async def test_51_scheduled_jobs_run_on_request(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    def work(_job: Job) -> None: ...

    hour = timedelta(hours=1)
    await baton.insert_all(
        [work.with_options(schedule_in=delay).new() for delay in (hour / 2, hour * 2, hour * 3)]
    )
    assert await drain() == Drained()
    assert await drain(with_scheduled=datetime.now(UTC) + hour) == Drained(completed=1, scheduled=1)
    assert await drain(with_scheduled=True) == Drained(completed=2, scheduled=2)


async def test_51_errors_are_raised_when_unsafe_and_the_job_is_acknowledged(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    def fails(_job: Job) -> None:
        raise LookupError("gone")

    await baton.insert_all([fails.new(), fails.new()])
    for recursive in (True, False):
        with pytest.raises(LookupError, match="gone"):
            await drain(raise_errors=True, recursive=recursive)
    found = await rows(manual, "select state::text, attempt from baton.jobs order by id")
    assert found == [("retryable", 1), ("retryable", 1)]
    assert await value(manual, "select count(*) from baton.jobs where attempted_by is null") == 0


async def test_claims_that_were_not_performed_are_given_back(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    def fails(_job: Job) -> None:
        raise LookupError("gone")

    await baton.insert_all([fails.new(), fails.new()])
    with pytest.raises(LookupError):
        await drain(raise_errors=True, recursive=False)
    found = await rows(manual, "select state::text, attempt from baton.jobs order by id")
    assert found == [("retryable", 1), ("available", 0)]


async def test_what_fails_or_snoozes_is_not_tried_twice_in_one_drain(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    def snoozes(_job: Job) -> Snooze:
        return Snooze(0)

    @registry.worker(backoff=lambda *_: 0)
    def fails(_job: Job) -> Error:
        return Error("no")

    await baton.insert_all([snoozes.new(), fails.new()])
    for _ in range(2):
        drained = await drain(with_scheduled=True)
        assert (drained.snoozed, drained.retryable) == (1, 1)


async def test_a_limit_ends_a_drain_that_would_not_end(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    async def again(_job: Job) -> None:
        await again.insert()

    await again.insert()
    assert await drain(with_limit=3) == Drained(completed=3)
    assert await value(manual, "select count(*) from baton.jobs where state = 'available'") == 1
    assert await drain(with_limit=3, recursive=False) == Drained(completed=1)


async def test_a_workflow_runs_through_and_its_failures_cascade(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    async def step(job: Job, outcome: str) -> Any:
        return {"ok": len(job.results()), "discard": Discard("no")}[outcome]

    flow = (
        Workflow()
        .add("a", step.new("ok"))
        .add("b", step.new("ok"), deps=["a"])
        .add("bad", step.new("discard"), deps=["a"])
        .add("c", step.new("ok"), deps=["a", "b"])
        .add("poisoned", step.new("ok"), deps=["bad", "c"])
    )
    await flow.insert()
    assert await drain() == Drained(completed=3, discarded=1)
    assert await states(manual) == {
        "a": "completed",
        "b": "completed",
        "bad": "discarded",
        "c": "completed",
        "poisoned": "cancelled",
    }
    async with Client(manual) as client:
        status = await client.get_workflow(flow.workflow_id)
    assert status.state == "failed"
    assert {node.step_name: node.result for node in status.nodes}["c"] == 2


async def test_a_paused_queue_stays_paused(drain: Drain, manual: str, registry: Registry) -> None:
    @registry.worker()
    def work(_job: Job) -> None: ...

    await work.insert()
    async with Client(manual) as client:
        await client.queues.pause("default")
        assert await drain() == Drained()
        await client.queues.resume("default")
    assert await drain() == Drained(completed=1)


async def test_resources_and_telemetry_are_the_real_ones(
    drain: Drain, manual: str, registry: Registry
) -> None:
    heard: list[str] = []
    seen: list[Any] = []

    @registry.lifespan
    @asynccontextmanager
    async def lifespan() -> AsyncIterator[dict[str, str]]:
        yield {"db": "real"}

    @registry.worker()
    def work(_job: Job, db: Any = resource("db")) -> None:
        seen.append(db)

    Telemetry.attach("test", "baton.job.*", lambda event, *_: heard.append(event))
    try:
        await work.insert()
        await drain()
        await work.insert()
        await drain(resources={"db": "fake"})
    finally:
        Telemetry.detach("test")
    assert seen == ["real", "fake"]
    assert heard == ["baton.job.start", "baton.job.stop"] * 2
    assert Telemetry.handlers() == []


async def test_the_database_can_be_named(drain: Drain, database: str, registry: Registry) -> None:
    @registry.worker()
    def work(_job: Job) -> None: ...

    async with Client(database) as client:
        await client.insert_all([work.new(), work.new()])
        assert await drain(client=client, with_limit=1) == Drained(completed=1)
    assert await drain(dsn=database) == Drained(completed=1)


async def test_options_without_meaning_are_refused(drain: Drain, database: str) -> None:
    with pytest.raises(InvalidFilter, match="with_limit"):
        await drain(with_limit=0)
    with pytest.raises(InvalidFilter, match="time zone"):
        await drain(with_scheduled=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ConfigurationError, match="one is enough"):
        await drain(dsn=database, conn=object())
    with pytest.raises(ConfigurationError, match="dsn can't be 5"):
        await drain(dsn=5)
    async with connection(database) as conn:
        with manual(database, conn=conn), pytest.raises(InvalidConnection, match="committed"):
            await drain()


async def test_workers_hear_of_dependencies_that_ended_badly(
    database: str, registry: Registry
) -> None:
    heard: list[str] = []

    @registry.worker()
    async def bad(_job: Job) -> Discard:
        return Discard("no")

    @registry.worker(on_dep_discarded=lambda _, job: heard.append(str(job.step_name)))
    async def after(_job: Job) -> None: ...

    flow = Workflow("w").add("bad", bad.new())
    for number in range(25):
        flow.add(f"after {number}", after.new(), deps=["bad"])
    with baton.testing.manual(database):
        await flow.insert()
        await baton.testing.drain_queue(registry=registry)
    assert sorted(heard) == sorted(f"after {number}" for number in range(25))


async def test_signals_sleeps_and_sub_workflows_are_gone_through(
    drain: Drain, manual: str, registry: Registry
) -> None:
    @registry.worker()
    def read(job: Job) -> Any:
        return job.results()

    @registry.worker()
    def wait(job: Job) -> Any:
        return WaitForSignal("more") if job.waited is None else job.waited.payload

    inner = Workflow("inner").wait_for("told").add("inside", read.new(), deps=["told"])
    flow = (
        Workflow("outer")
        .add("inner", inner)
        .sleep("night", 3600, deps=["inner"])
        .wait_for("late", timeout=3600, on_timeout="completed")
        .wait_for("never")
        .add("wait", wait.new())
        .add("last", read.new(), deps=["inner", "night", "late", "wait"])
    )
    await flow.insert()
    assert await drain(registry=registry) == Drained(snoozed=1)
    await Workflow.signal(inner.workflow_id, "told", 7)
    await Workflow.signal(flow.workflow_id, "more", 8)
    assert await drain(registry=registry) == Drained(completed=2)
    assert await drain(registry=registry, with_scheduled=True) == Drained(completed=1)
    result = "select result from baton.workflow_steps where step_name = 'last'"
    assert await value(manual, result) == {
        "inner": {"inside": {"told": 7}},
        "night": None,
        "late": None,
        "wait": 8,
    }
    assert (await states(manual))["never"] == "suspended"
