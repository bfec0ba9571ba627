"""Limits, policies and hooks around an attempt. No database: the acks are what counts."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import anyio
import pytest

from baton import Discard, Error, Job, Snooze, Telemetry, resource
from baton.errors import AttemptTimeout, DuplicateHandler, InvalidHook
from baton.lifespans import opened
from baton.outcomes import Ack
from baton.services.executor import Executor
from baton.services.stopping import Stop
from baton.states import State
from baton.worker_class import Worker
from baton.workers import Registry
from tests.services.conftest import Limits
from tests.services.test_executor import (
    NOW,
    error_of,
    executing,
    make_job,
    make_step,
    run_all,
)

pytestmark = pytest.mark.anyio

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)


async def run(registry: Registry, *jobs: Job) -> list[Ack]:
    acks = await run_all(registry, list(jobs) or [make_job()], slots=1)
    return [ack for ack in acks if ack is not None]


# Timeouts and deadlines


async def test_timeout_makes_a_coroutine_retryable_with_a_timeout_error() -> None:
    registry = Registry()
    cleaned = []

    @registry.worker(name="w")
    async def slow(_job: Job) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(True)

    [ack] = await run(registry, make_job(timeout=0.01))
    assert ack.state is State.RETRYABLE
    assert error_of(ack)["kind"] == "AttemptTimeout"
    assert error_of(ack)["message"] == "it took longer than 0.01 s"
    assert cleaned == [True]


async def test_a_timeout_on_the_last_attempt_discards() -> None:
    registry = Registry()
    registry.worker(name="w")(_sleeps)
    [ack] = await run(registry, make_job(timeout=0.01, attempt=3))
    assert ack.state is State.DISCARDED


async def _sleeps(_job: Job) -> None:
    await anyio.sleep_forever()


async def test_what_code_raises_when_its_time_is_up_is_its_failure() -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def complains(_job: Job) -> None:
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            raise ValueError("not now") from None

    [ack] = await run(registry, make_job(timeout=0.01))
    assert error_of(ack)["kind"] == "ValueError"


async def test_code_that_raises_when_the_process_stops_is_given_back_uncharged() -> None:
    registry = Registry()
    started = anyio.Event()

    @registry.worker(name="w")
    async def complains(_job: Job) -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            raise ValueError("not now") from None

    async with executing(registry, slots=1) as (executor, acks):
        executor.submit(make_job())
        await started.wait()
        executor.stop(Stop.GIVE_BACK)
        await executor.wait_idle()
    [ack] = acks
    assert ack is not None
    assert (ack.state, ack.refund) == (State.AVAILABLE, True)


async def test_a_thread_past_its_timeout_is_given_up_at_once_and_its_slot_when_it_ends(
    limits: Limits,
) -> None:
    registry = Registry()
    may_end = threading.Event()
    began: list[int] = []

    @registry.worker(name="w")
    def blocks(job: Job) -> None:
        began.append(job.epoch)
        may_end.wait(120)

    async def runs_out_of_time(*epochs: int) -> None:
        with anyio.fail_after(60):
            while began != [*epochs]:
                await anyio.lowlevel.checkpoint()
        limits.are_over()
        await executor.wait_idle()

    told: list[str] = []
    freed = anyio.Event()

    def free(_job: Job) -> None:
        told.append("free")
        freed.set()

    executor = Executor(
        registry,
        queues={"default": 2},
        max_result_bytes=1_000,
        on_done=lambda _, ack: told.append("done" if ack is None else ack.state.value),
        on_stuck=lambda _: told.append("stuck"),
        on_free=free,
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(executor.run)
        executor.submit(make_job(timeout=60))
        await runs_out_of_time(1)
        assert told == ["stuck", "retryable"]
        # the same job again, in a thread of its own, does not take the first one's end for its own
        executor.submit(make_job(timeout=60, epoch=2))
        await runs_out_of_time(1, 2)
        assert told == ["stuck", "retryable"] * 2
        may_end.set()
        with anyio.fail_after(60):
            while told.count("free") < 2:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert told == ["stuck", "retryable", "stuck", "retryable", "free", "free"]


async def test_the_slot_of_an_abandoned_thread_is_used_when_every_runner_has_a_job(
    limits: Limits,
) -> None:
    registry = Registry()
    may_end = threading.Event()
    began = threading.Event()
    ended: list[int] = []

    @registry.worker(name="blocks")
    def blocks(_job: Job) -> None:
        began.set()
        may_end.wait(120)

    @registry.worker(name="waits")
    async def waits(_job: Job) -> None:
        await anyio.sleep_forever()

    @registry.worker(name="works")
    async def works(_job: Job) -> None: ...

    executor = Executor(
        registry,
        queues={"default": 1, "other": 1},
        max_result_bytes=1_000,
        on_done=lambda job, _: ended.append(job.id),
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(executor.run)
        with anyio.fail_after(60):
            executor.submit(make_job(1, "blocks", timeout=60))
            while not began.is_set():
                await anyio.lowlevel.checkpoint()
            limits.are_over()
            while ended != [1]:
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()  # its runner rests, and takes the next
            executor.submit(make_job(2, "waits", queue="other"))
            executor.submit(make_job(3, "works"))  # its slot is the thread's
            await anyio.wait_all_tasks_blocked()
            assert ended == [1]
            may_end.set()
            while ended != [1, 3]:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def test_a_job_past_its_deadline_is_cancelled_and_not_started() -> None:
    registry = Registry()
    started = []

    @registry.worker(name="w")
    async def late(_job: Job) -> None:
        started.append(True)

    past, future = NOW - timedelta(seconds=1), NOW + timedelta(hours=1)
    [ack] = await run(registry, make_job(deadline=past, attempted_at=NOW))
    assert ack.state is State.CANCELLED
    assert error_of(ack)["message"].startswith("its deadline has passed")
    assert not started
    [ack] = await run(registry, make_job(deadline=future, attempted_at=NOW))
    assert ack.state is State.COMPLETED


# Backoff


def fails(_job: Job) -> None:
    raise ConnectionError("down")


async def test_custom_backoff_gets_the_job_and_the_error() -> None:
    registry = Registry()
    seen: list[Any] = []

    def backoff(job: Job, error: BaseException) -> timedelta:
        seen.append((job.attempt, error))
        return timedelta(minutes=2)

    registry.worker(name="w", backoff=backoff)(fails)
    [ack] = await run(registry, make_job(attempt=2))
    assert ack.delay == 120
    [(attempt, error)] = seen
    assert attempt == 2
    assert isinstance(error, ConnectionError)


async def _exits(_job: Job) -> None:
    raise SystemExit(3)


async def _returns_error(_job: Job) -> Error:
    return Error("not yet")


@pytest.mark.parametrize("function", [fails, _exits, _returns_error, _sleeps])
async def test_custom_backoff_applies_even_after_crashes(function: Callable[..., Any]) -> None:
    registry = Registry()
    registry.worker(name="w", backoff=lambda _job, _error: 77)(function)
    [ack] = await run(registry, make_job(timeout=0.05))
    assert (ack.state, ack.delay) == (State.RETRYABLE, 77)


@pytest.mark.parametrize("bad", [ZeroDivisionError(), SystemExit(), -1, "soon", float("nan")])
async def test_exception_in_backoff_falls_back_to_the_formula(bad: Any) -> None:
    registry = Registry()

    def backoff(_job: Job, _error: BaseException) -> Any:
        if isinstance(bad, BaseException):
            raise bad
        return bad

    registry.worker(name="w", backoff=backoff)(fails)
    [ack] = await run(registry, make_job(attempt=2))
    assert ack.state is State.RETRYABLE
    assert 19 <= ack.delay <= 19 * 1.1


async def test_a_class_has_a_method_for_its_backoff() -> None:
    registry = Registry()
    with registry.collecting():

        class Sends(Worker, name="w"):
            async def perform(self, job: Job, /) -> None:
                raise AssertionError

            def backoff(self, job: Job, error: BaseException) -> float:
                return 5.0 if isinstance(error, AssertionError) else 50.0

    [ack] = await run(registry)
    assert ack.delay == 5


# Middleware, context, resources


async def test_middleware_surrounds_every_attempt_the_first_one_outermost() -> None:
    registry = Registry()
    order: list[str] = []

    @registry.middleware
    async def outer(job: Job, call_next: Any) -> Any:
        order.append("outer in")
        result = await call_next(job)
        order.append("outer out")
        return result

    @registry.middleware
    async def inner(job: Job, call_next: Any) -> Any:
        order.append("inner in")
        return {"wrapped": await call_next(job)}

    @registry.worker(name="w")
    def plain(_job: Job) -> int:
        order.append("work")
        return 1

    [ack] = await run(registry, make_job(step=make_step()))
    assert order == ["outer in", "inner in", "work", "outer out"]
    assert ack.result == '{"wrapped":1}'


async def test_middleware_may_decide_without_the_worker_and_may_fail() -> None:
    registry = Registry()

    @registry.middleware
    async def gate(job: Job, call_next: Any) -> Any:
        if job.tags:
            return Snooze(5)
        raise LookupError("middleware")

    registry.worker(name="w")(fails)
    snoozed, failed = await run(registry, make_job(tags=("early",)), make_job(2))
    assert snoozed.state is State.SCHEDULED
    assert error_of(failed)["kind"] == "LookupError"


@pytest.mark.parametrize("is_async", [True, False])
async def test_context_is_restored_and_never_leaks_from_one_job_to_the_next(is_async: bool) -> None:
    registry = Registry()
    registry.carry(tenant)
    seen: list[str | None] = []

    async def coroutine(_job: Job) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(tenant.get())
        tenant.set("left behind")

    def plain(_job: Job) -> None:
        seen.append(tenant.get())
        tenant.set("left behind")

    registry.worker(name="w")(coroutine if is_async else plain)
    await run(
        registry,
        make_job(1, meta={"context": {"tenant": "acme", "unknown": 1}}),
        make_job(2),
        make_job(3, meta={"context": "edited by hand"}),
    )
    assert seen == ["acme", None, None]


def test_context_to_carry_is_what_is_set_here() -> None:
    registry = Registry()
    registry.carry(tenant, "who")
    unset: ContextVar[int] = ContextVar("unset")
    registry.carry(unset)
    token = tenant.set("acme")
    assert registry.context() == {"who": "acme"}
    tenant.reset(token)
    with pytest.raises(InvalidHook, match="carried as 'who' already"):
        registry.carry(unset, "who")


async def test_resources_are_opened_in_order_and_closed_in_reverse() -> None:
    registry = Registry()
    order: list[str] = []

    @registry.lifespan
    @asynccontextmanager
    async def first() -> AsyncIterator[dict[str, Any]]:
        order.append("open first")
        yield {"db": "pool"}
        order.append("close first")

    @registry.lifespan
    @asynccontextmanager
    async def second() -> AsyncIterator[None]:
        order.append("open second")
        yield
        order.append("close second")

    async with opened(registry.lifespans) as resources:
        assert resources == {"db": "pool"}
    assert order == ["open first", "open second", "close second", "close first"]

    @registry.lifespan
    @asynccontextmanager
    async def again() -> AsyncIterator[dict[str, Any]]:
        yield {"db": "another"}

    with pytest.raises(InvalidHook, match="two lifespans yield the resource db"):
        async with opened(registry.lifespans):
            pass


async def test_a_parameter_is_given_its_resource_and_is_no_argument_of_the_job() -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def uses(_job: Job, who: str, db: str = resource("db")) -> str:
        return f"{who} uses {db}"

    assert uses.new(who="a").args == {"who": "a"}
    with pytest.raises(Exception, match="db"):
        uses.new(who="a", db="mine")
    assert await uses(make_job(), who="a", db="mine") == "a uses mine"

    async def run_with(resources: dict[str, Any]) -> Ack:
        acks: list[Any] = []
        executor = Executor(
            registry,
            queues={"default": 1},
            max_result_bytes=1_000,
            on_done=lambda _, ack: acks.append(ack),
            resources=resources,
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(executor.run)
            executor.submit(make_job(args={"who": "a"}, step=make_step()))
            await executor.wait_idle()
            tasks.cancel_scope.cancel()
        found: Ack = acks[0]
        return found

    assert (await run_with({"db": "pool"})).result == '"a uses pool"'
    missing = error_of(await run_with({"cache": 1}))
    assert missing["message"] == (
        "w asks for the resource 'db'; the lifespans of this process yield: cache"
    )


# Telemetry


@pytest.fixture
def events() -> Any:
    heard: list[tuple[str, Any, Any]] = []
    Telemetry.attach("test", "baton.job.*", lambda *event: heard.append(event))
    yield heard
    Telemetry.detach("test")


async def test_job_events_tell_start_stop_and_exception(events: list[Any]) -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def sometimes(job: Job) -> None:
        if job.id == 2:
            raise ValueError("broken")

    await run(registry, make_job(1), make_job(2))
    assert [event for event, _, _ in events] == [
        "baton.job.start",
        "baton.job.stop",
        "baton.job.start",
        "baton.job.exception",
    ]
    _, measured, told = events[3]
    assert measured["duration"] >= 0
    assert (told["job"].id, told["state"], told["kind"]) == (2, "retryable", "ValueError")
    assert isinstance(told["error"], ValueError)


async def test_telemetry_handler_errors_never_break_jobs(events: list[Any]) -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def returns(_job: Job) -> Discard:
        return Discard("done with")

    def raises(*_: Any) -> None:
        raise RuntimeError("handler")

    Telemetry.attach("raises", ["baton.job.start", "baton.job.stop"], raises)
    [ack] = await run(registry)
    assert ack.state is State.DISCARDED
    assert "raises" not in Telemetry.handlers()
    assert len(events) == 2


def test_handlers_have_names_of_their_own() -> None:
    Telemetry.attach("one", "x", print)
    with pytest.raises(DuplicateHandler, match="'one' is attached already"):
        Telemetry.attach("one", "y", print)
    assert Telemetry.detach("one")
    assert not Telemetry.detach("one")


async def test_the_default_logger_tells_ids_and_not_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry = Registry()

    @registry.worker(name="w")
    async def quiet(_job: Job, password: str) -> None: ...

    Telemetry.attach_default_logger()
    try:
        await run(registry, make_job(args={"password": "s3cret"}))
    finally:
        assert Telemetry.detach_default_logger()
    told = capsys.readouterr().out
    assert "baton.job.stop" in told
    assert "s3cret" not in told


async def test_a_span_tells_its_exception(events: list[Any]) -> None:
    with pytest.raises(AttemptTimeout), Telemetry.span("baton.job", {"what": "test"}):
        raise AttemptTimeout(1)
    assert [event for event, _, _ in events] == ["baton.job.start", "baton.job.exception"]
