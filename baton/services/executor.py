"""Runs jobs: calls the user's code, survives whatever it does, and says what it came to.

Runners are long-lived: entering a task group for every job would cost more than the rest of a short
job. A coroutine runs on the event loop, a plain function in a thread, which can't be stopped: when
its job is cancelled the thread is abandoned and its job is given up.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import structlog
from anyio import (
    CancelScope,
    CapacityLimiter,
    Event,
    create_memory_object_stream,
    create_task_group,
    current_effective_deadline,
    sleep_forever,
    to_thread,
)
from anyio.abc import TaskGroup, TaskStatus

from baton.errors import BatonError
from baton.jobs import Job
from baton.outcomes import (
    Ack,
    Cancel,
    Closed,
    Discard,
    Failure,
    GiveBack,
    Outcome,
    Snooze,
    Success,
    failure,
    interpret,
    settle,
)
from baton.workers import Definition, Registry

log = structlog.get_logger("baton.job")


class Stop(Enum):
    """Why the running jobs are stopped."""

    GIVE_BACK = auto()  # the process ends: others run them, the attempt is not counted
    ABANDON = auto()  # the lease is gone: others run them already, nothing is acknowledged


@dataclass(slots=True)
class _Attempt:
    job: Job
    scope: CancelScope = field(default_factory=CancelScope)
    stopped: Stop | None = None


class Executor:
    """Runs jobs, at most as many at once as the queues together allow.

    Args:
        registry: where workers are found.
        slots: how many jobs run at once.
        max_result_bytes: the largest result of a step.
        on_done: called with every attempt that ends and its acknowledgement, if it is to have one.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        slots: int,
        max_result_bytes: int,
        on_done: Callable[[Job, Ack | None], None],
    ) -> None:
        self._registry = registry
        self._slots = slots
        self._max_result_bytes = max_result_bytes
        self._on_done = on_done
        self._send, self._receive = create_memory_object_stream[Job](float("inf"))
        self._attempts: dict[int, _Attempt] = {}
        self._runners = 0
        self._threads = CapacityLimiter(slots)
        self._tasks: TaskGroup | None = None
        self._idle = Event()
        self._idle.set()

    @property
    def in_hand(self) -> list[int]:
        """Ids of the jobs that wait for a runner or run."""
        return list(self._attempts)

    def submit(self, job: Job) -> None:
        """Take a job; it starts at once, since nobody submits more than there are slots."""
        self._attempts[job.id] = _Attempt(job)
        self._idle = Event() if self._idle.is_set() else self._idle
        self._send.send_nowait(job)
        if self._runners < min(len(self._attempts), self._slots) and self._tasks is not None:
            self._runners += 1
            self._tasks.start_soon(self._run_jobs)

    def stop(self, why: Stop) -> None:
        """Stop every job that waits or runs."""
        for attempt in list(self._attempts.values()):
            attempt.stopped = why
            attempt.scope.cancel()

    async def wait_idle(self) -> None:
        """Wait until nothing waits or runs."""
        await self._idle.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Run submitted jobs until cancelled."""
        async with self._send, self._receive, create_task_group() as self._tasks:
            task_status.started()
            await sleep_forever()

    async def _run_jobs(self) -> None:
        async for job in self._receive:
            attempt = self._attempts[job.id]
            try:
                with structlog.contextvars.bound_contextvars(**_context(job)):
                    await self._run_job(attempt)
            finally:
                del self._attempts[job.id]
                if not self._attempts:
                    self._idle.set()

    async def _run_job(self, attempt: _Attempt) -> None:
        started = time.perf_counter()
        outcome: Outcome = GiveBack()
        with attempt.scope:
            outcome = await self._perform(attempt)
        _report(attempt, outcome, time.perf_counter() - started)
        abandoned = attempt.stopped is Stop.ABANDON
        self._on_done(attempt.job, None if abandoned else settle(attempt.job, outcome))

    async def _perform(self, attempt: _Attempt) -> Outcome:
        job = attempt.job
        if attempt.stopped is not None:
            return GiveBack()
        if job.step is not None:
            if job.step.stored:
                return Success()
            if job.step.gate == "waiting":
                return Closed(job.step.cause or "a dependency is open")
            if job.step.gate == "poisoned":
                return Cancel(job.step.cause or "a dependency ended badly")
        log.debug("job.started")
        return await self._call(attempt)

    async def _call(self, attempt: _Attempt) -> Outcome:
        job = attempt.job
        try:
            definition = self._registry.find(job.worker)
            arguments = definition.arguments.load(job.args)
        except BatonError as error:
            return Failure(type(error).__qualname__, str(error))
        except Exception as error:
            return failure(error)
        try:
            value = await self._invoke(definition, job, arguments)
            if isinstance(value, _Raised):
                return failure(value.error)
            return interpret(value, stores=job.step is not None, limit=self._max_result_bytes)
        except BaseException as error:
            # a cancellation from outside must go on; one that user code raised is its failure
            if attempt.scope.cancel_called or current_effective_deadline() == float("-inf"):
                raise
            _forget_cancellation()
            return failure(error)

    async def _invoke(self, definition: Definition, job: Job, arguments: Mapping[str, Any]) -> Any:
        if definition.is_async:
            return await definition.bind()(job, **arguments)

        def call() -> Any:
            # caught here: StopIteration can't pass through a future, nor out of a coroutine
            try:
                return definition.bind()(job, **arguments)
            except BaseException as error:
                return _Raised(error)

        return await to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)


def _forget_cancellation() -> None:
    """Undo ``asyncio.current_task().cancel()`` by user code: the runner outlives the job."""
    current = asyncio.current_task()
    while current is not None and current.cancelling():
        current.uncancel()


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException


def _context(job: Job) -> dict[str, Any]:
    context: dict[str, Any] = {
        "job": job.id,
        "worker": job.worker,
        "queue": job.queue,
        "attempt": job.attempt,
    }
    if job.step is not None:
        context["workflow"] = job.step.workflow_label or str(job.step.workflow_id)
        context["step"] = job.step.name
    return context


def _report(attempt: _Attempt, outcome: Outcome, duration: float) -> None:
    facts = {"duration_ms": round(duration * 1000, 1)}
    match outcome:
        case _ if attempt.stopped is Stop.ABANDON:
            log.warning("job.abandoned", **facts)
        case Failure(kind, message, _):
            last = attempt.job.attempt >= attempt.job.max_attempts
            event = "job.discarded" if last else "job.failed"
            log.warning(event, kind=kind, error=message[:500], **facts)
        case Success():
            log.info("job.completed", **facts)
        case Snooze(delay):
            log.info("job.snoozed", delay=delay, **facts)
        case Closed(cause):
            log.info("job.snoozed", cause=cause, **facts)
        case Discard(reason):
            log.warning("job.discarded", error=str(reason)[:500], **facts)
        case Cancel(reason):
            log.info("job.cancelled", error=str(reason)[:500], **facts)
        case GiveBack():
            log.info("job.given_back", **facts)
