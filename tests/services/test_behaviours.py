"""What any queue of the Oban model must show, each under its number, from a client to the row.

The behaviours that are not here bear their numbers or names where their part is tested: 1 to 10, 13
and 14 in test_insert_behaviours, 11 and 12 in test_borrowed, 24 and 26 to 32 in test_limits and
test_queues, 33 to 38 in test_operations and test_cancel, 39 in test_rescue, 40 in test_prune, 41 to
46 in test_crons and test_cron, 47 in test_processes, 48 and 49 in test_notifier, 51 and 52 in
tests/testing.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from baton import Cancel, Client, Job, NewJob, Registry, Snooze, State, Telemetry
from tests.services.test_node import all_final, running, until
from tests.support import value

pytestmark = pytest.mark.anyio


async def attempted(
    database: str,
    function: Callable[..., Any],
    *,
    options: dict[str, Any] | None = None,
    **job_options: Any,
) -> Job:
    """Insert one job of a worker made of ``function``; return it once its first attempt is over."""
    registry = Registry()
    worker = registry.worker(name="w", **(options or {}))(function)
    async with running(database, registry) as (_, client):
        job = await client.insert(worker.with_options(**job_options).new())

        async def is_over() -> bool:
            query = "select attempted_at is not null and state <> 'executing' from baton.jobs"
            return bool(await value(database, query))

        await until(is_over)
        return await client.get_job(job.id)


async def test_15_an_error_makes_it_retryable_in_the_future_and_is_kept(database: str) -> None:
    async def work(_job: Job) -> None:
        raise ValueError("broken")

    job = await attempted(database, work)
    assert job.state is State.RETRYABLE
    assert job.scheduled_at > await value(database, "select clock_timestamp()")
    [error] = job.errors
    times = {"scheduled_at", "attempted_at", "at"}
    assert error.keys() == {"attempt", "kind", "message", "traceback", *times}
    assert (error["attempt"], error["kind"], error["message"]) == (1, "ValueError", "broken")
    assert 'raise ValueError("broken")' in error["traceback"]


async def test_16_an_error_on_the_last_attempt_discards_with_a_time(database: str) -> None:
    async def work(_job: Job) -> None:
        raise ValueError("broken")

    job = await attempted(database, work, max_attempts=1)
    assert job.state is State.DISCARDED
    assert job.discarded_at is not None


async def test_17_a_cancel_result_cancels_with_the_reason(database: str) -> None:
    async def work(_job: Job) -> Cancel:
        return Cancel("not wanted")

    job = await attempted(database, work)
    assert job.state is State.CANCELLED
    assert job.cancelled_at is not None
    assert job.errors[-1]["message"] == "not wanted"


async def test_18_a_snooze_schedules_and_gives_the_attempt_back(database: str) -> None:
    async def work(_job: Job) -> Snooze:
        return Snooze(60)

    job = await attempted(database, work, max_attempts=3)
    assert (job.state, job.attempt, job.max_attempts) == (State.SCHEDULED, 0, 3)


async def test_19_snoozes_are_counted_in_meta_which_is_kept(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def work(job: Job) -> Snooze | None:
        return Snooze(0) if job.meta.get("snoozed", 0) < 3 else None

    async with running(database, registry) as (_, client):
        job = await client.insert(work.with_options(meta={"mine": 1}).new())
        await until(all_final(database))
        assert (await client.get_job(job.id)).meta == {"mine": 1, "snoozed": 3}


async def test_20_an_unresolvable_worker_fails_the_job_and_not_the_queue(database: str) -> None:
    registry = Registry()

    @registry.worker()
    async def work(_job: Job) -> None: ...

    async with running(database, registry, queues=["default=1"]) as (_, client):
        lost = await client.insert(NewJob(worker="gone.away", max_attempts=1))
        await client.insert(work.new())
        await until(all_final(database))
        assert "no worker named 'gone.away'" in (await client.get_job(lost.id)).errors[0]["message"]
    assert await value(database, "select count(*) from baton.jobs where state = 'completed'") == 1


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        GeneratorExit(),
        BaseExceptionGroup("several", [SystemExit(1), ValueError("x")]),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "thread"])
async def test_21_any_kind_of_exit_or_cancellation_is_recorded(
    database: str, error: BaseException, is_async: bool
) -> None:
    async def coroutine(_job: Job) -> None:
        raise error

    def plain(_job: Job) -> None:
        raise error

    job = await attempted(database, coroutine if is_async else plain)
    assert job.state is State.RETRYABLE
    assert job.errors[-1]["kind"] == type(error).__name__


async def test_22_custom_backoff_applies_even_after_crashes(database: str) -> None:
    async def work(_job: Job) -> None:
        raise SystemExit(1)

    job = await attempted(database, work, options={"backoff": lambda _job, _error: 3_600})
    assert job.attempted_at is not None
    assert timedelta(minutes=59) < job.scheduled_at - job.attempted_at < timedelta(minutes=61)


async def test_23_a_timeout_makes_it_retryable_with_a_timeout_error(database: str) -> None:
    async def work(_job: Job) -> None:
        await anyio.sleep_forever()

    job = await attempted(database, work, timeout=0.05)
    assert job.state is State.RETRYABLE
    assert job.errors[-1]["kind"] == "AttemptTimeout"


async def test_25_the_lower_priority_number_is_claimed_first(database: str) -> None:
    registry = Registry()
    order: list[int] = []

    @registry.worker()
    async def work(job: Job) -> None:
        order.append(job.priority)

    async with Client(database) as client:
        await client.insert_all([work.with_options(priority=n).new() for n in (9, 0, 5, 0, 1)])
    async with running(database, registry, queues=["default=1"]):
        await until(all_final(database))
    assert order == [0, 0, 1, 5, 9]


async def test_50_telemetry_handler_errors_never_break_jobs(database: str) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("handler")

    async def work(_job: Job) -> None: ...

    Telemetry.attach("breaks", "baton.*", breaks)
    job = await attempted(database, work)
    assert job.state is State.COMPLETED
    assert not Telemetry.detach("breaks")


async def test_trap_nul_in_an_error_text(database: str) -> None:
    async def work(_job: Job) -> None:
        raise ValueError("a\x00b\ud800")

    job = await attempted(database, work)
    assert job.errors[-1]["message"] == "a\ufffdb?"


async def test_trap_exception_in_backoff(database: str) -> None:
    async def work(_job: Job) -> None:
        raise ValueError("broken")

    def backoff(_job: Job, _error: BaseException) -> float:
        raise ZeroDivisionError

    job = await attempted(database, work, options={"backoff": backoff})
    assert job.attempted_at is not None
    assert timedelta(seconds=17) <= job.scheduled_at - job.attempted_at < timedelta(minutes=1)


async def test_trap_a_sync_function_never_blocks_the_loop(database: str) -> None:
    registry = Registry()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    @registry.worker()
    def waits(_job: Job) -> None:
        # ends only when the coroutine has run on the event loop meanwhile
        asyncio.run_coroutine_threadsafe(told.wait(), loop).result(60)

    @registry.worker()
    async def tells(_job: Job) -> None:
        told.set()

    async with running(database, registry) as (_, client):
        await client.insert_all([waits.new(), tells.new()])
        await until(all_final(database))
    assert await value(database, "select count(*) from baton.jobs where state = 'completed'") == 2


async def test_trap_priority_order_is_kept_inside_a_batch(database: str) -> None:
    registry = Registry()
    order: list[tuple[int, int]] = []

    @registry.worker()
    async def work(job: Job) -> None:
        order.append((job.priority, job.id))

    async with Client(database) as client:
        priorities = [9, 3, 3, 0, 7, 1, 0, 5]
        await client.insert_all([work.with_options(priority=n).new() for n in priorities])
    async with running(database, registry, queues=["default=8"]):
        await until(all_final(database))
    assert order == sorted(order)
