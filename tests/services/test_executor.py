"""What the executor makes of whatever user code does. No database: the acks are what counts."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from baton import Cancel, Discard, Error, Snooze
from baton.jobs import Job, Step
from baton.outcomes import Ack
from baton.services.executor import Executor
from baton.services.stopping import Stop
from baton.states import State
from baton.workers import Registry

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


def make_job(job_id: int = 1, worker: str = "w", **facts: Any) -> Job:
    defaults: dict[str, Any] = {
        "state": State.EXECUTING,
        "queue": "default",
        "args": {},
        "meta": {},
        "tags": (),
        "priority": 0,
        "attempt": 1,
        "max_attempts": 3,
        "errors": [],
        "epoch": 1,
        "inserted_at": NOW,
        "scheduled_at": NOW,
    }
    return Job(id=job_id, worker=worker, **{**defaults, **facts})


def make_step(**facts: Any) -> Step:
    return Step(**{"workflow_id": uuid4(), "workflow_label": None, "name": "step", **facts})


async def run(function: Callable[..., Any], job: Job | None = None) -> Ack:
    """Run one job of a worker made of ``function`` and return its acknowledgement."""
    registry = Registry()
    registry.worker(name="w")(function)
    [ack] = await run_all(registry, [job or make_job(step=make_step())])
    assert ack is not None
    return ack


@asynccontextmanager
async def executing(
    registry: Registry, slots: int
) -> AsyncIterator[tuple[Executor, list[Ack | None]]]:
    """An executor that runs, and the acknowledgements of what has ended."""
    acks: list[Ack | None] = []
    executor = Executor(
        registry,
        queues={"default": slots},
        max_result_bytes=1_000,
        on_done=lambda _, ack: acks.append(ack),
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(executor.run)
        yield executor, acks
        tasks.cancel_scope.cancel()


async def run_all(registry: Registry, jobs: list[Job], slots: int = 5) -> list[Ack | None]:
    async with executing(registry, slots) as (executor, acks):
        for job in jobs:
            executor.submit(job)
        with anyio.fail_after(60):
            await executor.wait_idle()
    return acks


def cancel_own_task() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()


def error_of(ack: Ack) -> dict[str, Any]:
    assert ack.error is not None
    found: dict[str, Any] = json.loads(ack.error)
    return found


class Report(BaseModel):
    at: datetime
    score: float


def object_maker(_job: Job) -> object:
    return object()


async def returning(value: Any) -> Ack:
    return await run(lambda _job: value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        ({"a": [1, "ü", None]}, {"a": [1, "ü", None]}),
        (0, 0),
        ("", ""),
        (Report(at=NOW, score=1), {"at": NOW.isoformat().replace("+00:00", "Z"), "score": 1.0}),
        (
            {"nested": Report(at=NOW, score=1)},
            {"nested": {"at": NOW.isoformat().replace("+00:00", "Z"), "score": 1.0}},
        ),
    ],
)
async def test_what_a_step_returns_is_stored_as_json(value: Any, stored: Any) -> None:
    ack = await returning(value)
    assert ack.state is State.COMPLETED
    assert (json.loads(ack.result) if ack.result else None) == stored


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "neither JSON nor a pydantic model"),
        ({"a": {1, 2}}, "neither JSON nor a pydantic model"),
        (float("nan"), "not JSON compliant"),
        ("a\x00b", "NUL"),
        ("\ud800", "surrogate"),
        ("x" * 2_000, "max_result_bytes"),
    ],
)
async def test_a_result_that_cannot_be_stored_fails_the_step(value: Any, words: str) -> None:
    ack = await returning(value)
    assert ack.state is State.RETRYABLE
    assert words in error_of(ack)["message"]


async def test_a_plain_job_may_return_anything() -> None:
    ack = await run(object_maker, make_job())
    assert (ack.state, ack.result) == (State.COMPLETED, None)


@pytest.mark.parametrize(
    ("value", "state", "refund"),
    [
        (Snooze(5), State.SCHEDULED, True),
        (Discard("bad address"), State.DISCARDED, False),
        (Cancel("not wanted"), State.CANCELLED, False),
        (Error("try again"), State.RETRYABLE, False),
    ],
)
async def test_outcomes_decide_the_next_state(value: Any, state: State, refund: bool) -> None:
    ack = await returning(value)
    assert (ack.state, ack.refund) == (state, refund)


RAISED = [
    ValueError("no"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError("mine"),
    StopIteration("odd"),
    BaseExceptionGroup("several", [SystemExit(1), ValueError("x")]),
    RecursionError("deep"),
    MemoryError(),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "thread"])
async def test_whatever_is_raised_fails_the_attempt_and_not_the_worker(
    error: BaseException, is_async: bool
) -> None:
    def plain(_job: Job) -> None:
        raise error

    async def coroutine(_job: Job) -> None:
        raise error

    # a coroutine can't raise StopIteration itself: Python makes it a RuntimeError
    kind = "RuntimeError" if is_async and isinstance(error, StopIteration) else type(error).__name__
    ack = await run(coroutine if is_async else plain)
    assert ack.state is State.RETRYABLE
    assert error_of(ack)["kind"] == kind
    assert "traceback" in error_of(ack)


async def test_an_error_with_nul_and_surrogates_is_stored_readably() -> None:
    def broken(_job: Job) -> None:
        raise ValueError("a\x00b\ud800c" + "x" * 100_000)

    message = error_of(await run(broken))["message"]
    assert message.startswith("a\ufffdb?c")
    assert "characters cut" in message


async def test_an_error_that_cannot_be_printed_is_named_by_its_class() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even this")

    def broken(_job: Job) -> None:
        raise Mute

    assert "Mute" in error_of(await run(broken))["message"]


async def test_the_last_attempt_discards() -> None:
    def broken(_job: Job) -> None:
        raise ValueError("no")

    ack = await run(broken, make_job(attempt=3, max_attempts=3))
    assert ack.state is State.DISCARDED


async def test_a_job_that_cancels_its_own_asyncio_task_fails_and_its_runner_goes_on() -> None:
    async def suicidal(_job: Job) -> None:
        cancel_own_task()
        await anyio.lowlevel.checkpoint()

    registry = Registry()
    registry.worker(name="bad")(suicidal)
    registry.worker(name="good")(lambda _job: None)
    jobs = [make_job(n, "bad" if n % 2 else "good") for n in range(10)]
    acks = await run_all(registry, jobs, slots=1)
    states = {ack.id: ack.state for ack in acks if ack}
    assert [states[n] for n in range(10)] == [State.COMPLETED, State.RETRYABLE] * 5


async def test_a_job_that_swallows_a_cancellation_of_its_task_leaves_nothing_to_the_next() -> None:
    """Others on its runner are stopped later, by a cancellation that is to be told from its own."""
    blocked = anyio.Event()

    async def stubborn(_job: Job) -> None:
        cancel_own_task()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    async def block(_job: Job) -> None:
        blocked.set()
        await anyio.sleep_forever()

    registry = Registry()
    registry.worker(name="stubborn")(stubborn)
    registry.worker(name="block")(block)
    registry.worker(name="good")(lambda _job: None)
    async with executing(registry, slots=1) as (executor, acks):
        for number, name in enumerate(("stubborn", "block", "good"), 1):
            executor.submit(make_job(number, name))
        with anyio.fail_after(60):
            await blocked.wait()
            executor.stop_jobs([(2, 1)], Stop.REVOKED)
            await executor.wait_idle()
    assert [ack and (ack.id, ack.state) for ack in acks] == [
        (1, State.COMPLETED),
        None,  # it was revoked
        (3, State.COMPLETED),
    ]


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("slots", [1, 3])
async def test_a_cancellation_that_comes_after_the_end_of_its_job_hits_nobody(
    wait: bool, slots: int
) -> None:
    """At once, before the runner has waited for anything; or from a timer, while it rests."""

    async def late(_job: Job) -> None:
        if wait:
            current = asyncio.current_task()
            assert current is not None
            loop.call_later(0.001, current.cancel)
        else:
            cancel_own_task()

    loop = asyncio.get_running_loop()
    registry = Registry()
    registry.worker(name="late")(late)
    registry.worker(name="good")(lambda _job: None)
    async with executing(registry, slots) as (executor, acks):
        for number in range(0, 30, 3):
            executor.submit(make_job(number, "late"))
            executor.submit(make_job(number + 1, "late"))
            if wait:
                await executor.wait_idle()
                await asyncio.sleep(0.003)  # its timers are over
            executor.submit(make_job(number + 2, "good"))
            with anyio.fail_after(60):
                await executor.wait_idle()
    assert sorted(ack.id for ack in acks if ack) == list(range(30))
    assert {ack.state for ack in acks if ack} == {State.COMPLETED}


async def test_a_lane_is_not_forgotten_by_a_runner_that_is_cancelled_on_its_way_to_it() -> None:
    """Both in one turn of the loop: the job that comes, and the late cancellation."""
    runner: list[asyncio.Task[Any]] = []

    async def first(_job: Job) -> None:
        current = asyncio.current_task()
        assert current is not None
        runner.append(current)

    registry = Registry()
    registry.worker(name="first")(first)
    async with executing(registry, slots=1) as (executor, acks):
        executor.submit(make_job(1, "first"))
        await executor.wait_idle()
        for _ in range(3):
            await asyncio.sleep(0)  # it rests
        executor.submit(make_job(2, "first"))
        runner[0].cancel()
        with anyio.fail_after(60):
            await executor.wait_idle()
    assert [ack and ack.id for ack in acks] == [1, 2]


@pytest.mark.parametrize("kind", [Discard, Cancel, Error])
async def test_a_reason_that_can_not_be_read_fails_the_attempt(kind: Any) -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("not this")

    ack = await returning(kind(Mute()))
    assert (ack.state, error_of(ack)["message"]) == (State.RETRYABLE, "not this")


async def test_an_unknown_worker_fails_its_job_with_the_names_that_are_known() -> None:
    registry = Registry()
    registry.worker(name="known")(lambda _job: None)
    [ack] = await run_all(registry, [make_job(worker="unknown")])
    assert ack is not None
    assert ack.state is State.RETRYABLE
    assert error_of(ack)["kind"] == "UnknownWorker"
    assert "'unknown'" in error_of(ack)["message"]
    assert "known" in error_of(ack)["message"]


async def test_arguments_that_do_not_fit_fail_the_attempt_with_the_reason() -> None:
    def takes(_job: Job, topic: str) -> None: ...

    ack = await run(takes, make_job(args={"topic": 5, "other": 1}))
    assert error_of(ack)["kind"] == "InvalidArguments"
    assert "other: unknown" in error_of(ack)["message"]


async def test_arguments_arrive_converted_by_their_annotations() -> None:
    async def takes(_job: Job, when: datetime, report: Report) -> list[str]:
        return [type(when).__name__, type(report).__name__]

    args = {"when": NOW.isoformat(), "report": {"at": NOW.isoformat(), "score": 1}}
    ack = await run(takes, make_job(args=args, step=make_step()))
    assert ack.result == '["datetime","Report"]'


async def test_a_plain_function_does_not_block_the_event_loop() -> None:
    looped = threading.Event()

    def waits(_job: Job) -> bool:
        return looped.wait(60)

    registry = Registry()
    registry.worker(name="waits")(waits)

    async def loops(_job: Job) -> None:
        looped.set()

    registry.worker(name="loops")(loops)
    acks = await run_all(registry, [make_job(1, "waits"), make_job(2, "loops")])
    assert all(ack is not None and ack.state is State.COMPLETED for ack in acks)


async def test_never_more_than_the_slots_run_at_once() -> None:
    running = most = 0

    async def counts(_job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        running -= 1

    registry = Registry()
    registry.worker(name="w")(counts)
    await run_all(registry, [make_job(n) for n in range(50)], slots=4)
    assert most == 4


async def test_a_stored_result_completes_at_once_without_the_users_code() -> None:
    def never(_job: Job) -> None:
        raise AssertionError("called")

    ack = await run(never, make_job(step=make_step(stored=True)))
    assert (ack.state, ack.result) == (State.COMPLETED, None)


@pytest.mark.parametrize("gate", ["waiting", "poisoned"])
async def test_a_closed_gate_sends_the_step_back_to_the_engine(gate: str) -> None:
    step = make_step(gate=gate, cause="dependency a was discarded")
    ack = await run(lambda _job: None, make_job(step=step))
    assert (ack.state, ack.refund, ack.error) == (State.SUSPENDED, True, None)


@pytest.mark.parametrize(
    ("why", "state"), [(Stop.GIVE_BACK, State.AVAILABLE), (Stop.ABANDON, None)]
)
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "thread"])
async def test_stopping_ends_what_runs(why: Stop, state: State | None, is_async: bool) -> None:
    begun = threading.Event()
    let_go = threading.Event()
    acks: list[Ack | None] = []

    async def coroutine(_job: Job) -> None:
        begun.set()
        await anyio.sleep_forever()

    def plain(_job: Job) -> None:
        begun.set()
        let_go.wait(120)

    registry = Registry()
    registry.worker(name="w")(coroutine if is_async else plain)
    executor = Executor(
        registry, queues={"default": 1}, max_result_bytes=1, on_done=lambda _, ack: acks.append(ack)
    )
    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(executor.run)
            executor.submit(make_job())
            assert await anyio.to_thread.run_sync(begun.wait, 60)
            executor.stop(why)
            with anyio.fail_after(60):
                await executor.wait_idle()
            tasks.cancel_scope.cancel()
    finally:
        let_go.set()
    assert [ack.state if ack else None for ack in acks] == [state]
    assert all(ack.refund for ack in acks if ack)


async def test_an_executor_can_be_stopped_before_it_ran_anything_and_twice() -> None:
    for _ in range(20):
        executor = Executor(
            Registry(), queues={"default": 1}, max_result_bytes=1, on_done=lambda *_: None
        )
        executor.stop(Stop.GIVE_BACK)
        async with anyio.create_task_group() as tasks:
            await tasks.start(executor.run)
            executor.stop(Stop.GIVE_BACK)
            tasks.cancel_scope.cancel()


class Held:
    """An executor whose jobs run until they may end."""

    def __init__(self, queues: dict[str, int]) -> None:
        self.begun: list[int] = []
        self.acks: dict[int, Ack | None] = {}
        self.may_end = anyio.Event()
        registry = Registry()

        @registry.worker(name="w")
        async def blocks(job: Job) -> None:
            self.begun.append(job.id)
            await self.may_end.wait()

        self.executor = Executor(
            registry,
            queues=queues,
            max_result_bytes=1,
            on_done=lambda job, ack: self.acks.update({job.id: ack}),
        )


@asynccontextmanager
async def blocking(**queues: int) -> AsyncIterator[Held]:
    held = Held(queues)
    async with anyio.create_task_group() as tasks:
        await tasks.start(held.executor.run)
        yield held
        tasks.cancel_scope.cancel()


async def test_what_waits_where_nothing_begins_is_given_back_and_what_runs_goes_on() -> None:
    async with blocking(default=1, other=1) as held:
        for number in (1, 2, 3):
            held.executor.submit(make_job(number))
        held.executor.submit(make_job(4, queue="other"))
        await anyio.wait_all_tasks_blocked()
        held.executor.return_waiting(longer_than=60)
        assert not held.acks
        held.executor.return_waiting()
        assert sorted(held.acks) == [2, 3]
        assert all(
            ack and (ack.state, ack.refund) == (State.AVAILABLE, True) for ack in held.acks.values()
        )
        assert sorted(held.executor.in_hand) == [1, 4]
        held.may_end.set()
        await held.executor.wait_idle()
    assert [held.acks[number] and held.acks[number].state for number in (1, 4)] == [
        State.COMPLETED
    ] * 2  # type: ignore[union-attr]


async def test_a_queue_that_is_not_served_any_more_begins_nothing() -> None:
    async with blocking(default=1) as held:
        held.executor.submit(make_job(1))
        held.executor.submit(make_job(2))
        await anyio.wait_all_tasks_blocked()
        held.executor.serve({})
        held.may_end.set()
        await held.executor.wait_idle()
    assert held.begun == [1]
    assert held.acks[1] is not None
    assert held.acks[2] is not None
    assert (held.acks[1].state, held.acks[2].state) == (State.COMPLETED, State.AVAILABLE)


async def test_a_job_that_is_stopped_while_it_waits_for_a_slot_never_begins() -> None:
    async with blocking(default=1) as held:
        for number in (1, 2, 3):
            held.executor.submit(make_job(number))
        await anyio.wait_all_tasks_blocked()
        held.executor.stop_jobs([(2, 1)], Stop.REVOKED)
        assert held.acks == {2: None}
        held.may_end.set()
        await held.executor.wait_idle()
    assert held.begun == [1, 3]


async def test_jobs_that_never_wait_leave_others_their_turns() -> None:
    registry = Registry()
    seen: list[int] = []

    @registry.worker(name="w")
    async def spins(job: Job) -> None:
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        seen.append(job.id)

    turns: list[int] = []

    async def other() -> None:
        while len(seen) < 50:
            turns.append(len(seen))
            await anyio.lowlevel.checkpoint()

    executor = Executor(
        registry, queues={"default": 50}, max_result_bytes=1, on_done=lambda *_: None
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(executor.run)
        for number in range(50):
            executor.submit(make_job(number))
        tasks.start_soon(other)
        await executor.wait_idle()
        tasks.cancel_scope.cancel()
    assert len(set(turns)) > 10


async def test_what_is_about_to_begin_is_not_given_back_by_a_process_that_got_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with blocking(default=2) as held:
        for number in (1, 2, 3):
            held.executor.submit(make_job(number))
        later = perf_counter() + 60
        with monkeypatch.context() as patched:
            patched.setattr("baton.services.executor.perf_counter", lambda: later)
            held.executor.return_waiting(longer_than=1)
        await anyio.wait_all_tasks_blocked()
        assert not held.acks
        assert held.begun == [1, 2]
