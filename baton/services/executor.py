"""Runs jobs: keeps runners, stops what is to be stopped, and says what each attempt came to.

Runners are long-lived: entering a task group for every job would cost more than the rest of a short
job. A coroutine runs on the event loop, a plain function in a thread, which can't be stopped: when
its job is stopped the thread is abandoned, the job is given up at once, and its slot only when the
thread has ended.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

import structlog
from anyio import (
    CancelScope,
    Event,
    create_memory_object_stream,
    create_task_group,
    sleep_forever,
)
from anyio.abc import TaskGroup, TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from baton.jobs import Job
from baton.outcomes import (
    Ack,
    Cancel,
    Closed,
    Completed,
    Discard,
    Failure,
    GiveBack,
    Outcome,
    Skipped,
    Snooze,
    Success,
    WaitForSignal,
    concluded,
    settle,
)
from baton.services.grafting import MAX_ARGS_BYTES, Completer, refuse
from baton.services.performer import Performer
from baton.services.processes import Processes
from baton.services.threads import Threads
from baton.services.transitions import queue_time, tell_start
from baton.states import State
from baton.telemetry import Telemetry
from baton.workers import Registry

log = structlog.get_logger("baton.job")


class Stop(Enum):
    """Why the running jobs are stopped."""

    GIVE_BACK = auto()  # the process ends: others run them, the attempt is not counted
    ABANDON = auto()  # the lease is gone: others run them already, nothing is acknowledged
    REVOKED = auto()  # cancelled, deleted or taken away: nothing is acknowledged


Claim = tuple[int, int]
_SILENT = frozenset({Stop.ABANDON, Stop.REVOKED})


@dataclass(slots=True)
class _Attempt:
    job: Job
    scope: CancelScope = field(default_factory=CancelScope)
    stopped: Stop | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    put: MemoryObjectSendStream[Job]
    take: MemoryObjectReceiveStream[Job]


class Executor:
    """Runs jobs, at most as many at once as the queues together allow.

    Args:
        registry: where workers are found, and the hooks around them.
        slots: how many jobs run at once.
        max_result_bytes: the largest result of a step.
        on_done: called with every attempt that ends and its acknowledgement, if it is to have one.
        on_stuck: called with the job of a thread that was abandoned: its slot is not free.
        on_free: called with that job once the thread has ended.
        processes: where workers with ``executor="process"`` run.
        resources: what the lifespans have opened, by name.
        max_args_bytes: the largest arguments of a job that a worker grafts.
        complete: completes a job whose worker returned steps, and adds them.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        slots: int,
        max_result_bytes: int,
        on_done: Callable[[Job, Ack | None], None],
        on_stuck: Callable[[Job], None] = lambda _: None,
        on_free: Callable[[Job], None] = lambda _: None,
        processes: Processes | None = None,
        resources: Mapping[str, Any] | None = None,
        max_args_bytes: int = MAX_ARGS_BYTES,
        complete: Completer = refuse,
    ) -> None:
        self._slots = slots
        self._on_done = on_done
        self._on_stuck = on_stuck
        self._on_free = on_free
        self._stuck: dict[Hashable, Job] = {}
        self._threads = Threads(slots, on_ended=self._end_stuck)
        self._performer = Performer(
            registry,
            max_result_bytes=max_result_bytes,
            threads=self._threads,
            processes=processes,
            resources=resources,
            max_args_bytes=max_args_bytes,
            complete=complete,
        )
        # by id and epoch: a job that is retried while its cancelled attempt ends is here twice
        self._attempts: dict[Claim, _Attempt] = {}
        self._runners = 0
        self._tasks: TaskGroup | None = None
        self._waiting: _Waiting | None = None
        self._idle = Event()
        self._idle.set()

    @property
    def in_hand(self) -> list[int]:
        """Ids of the jobs that wait for a runner or run."""
        return [job_id for job_id, _ in self._attempts]

    @property
    def claims(self) -> list[Claim]:
        """The jobs that wait for a runner or run, and the epochs in which they were claimed."""
        return list(self._attempts)

    def submit(self, job: Job) -> None:
        """Take a job; it starts at once, since nobody submits more than there are slots."""
        self._attempts[job.id, job.epoch] = _Attempt(job)
        self._idle = Event() if self._idle.is_set() else self._idle
        if self._tasks is None or self._waiting is None:
            raise RuntimeError("the executor is not running")
        self._waiting.put.send_nowait(job)
        if self._runners < min(len(self._attempts), self._slots):
            self._runners += 1
            self._tasks.start_soon(self._run_jobs, self._waiting.take)

    def resize(self, slots: int) -> None:
        """Run up to this many jobs at once; it never falls below what was possible before.

        How many jobs of each queue run is decided by who submits them.
        """
        self._slots = max(self._slots, slots)
        self._threads.resize(self._slots)

    def stop(self, why: Stop) -> None:
        """Stop every job that waits or runs."""
        for attempt in list(self._attempts.values()):
            attempt.stopped = why
            attempt.scope.cancel()

    def stop_jobs(self, claims: Iterable[Claim], why: Stop) -> None:
        """Stop these jobs; those that have ended meanwhile are left alone."""
        for claim in claims:
            attempt = self._attempts.get(claim)
            if attempt is not None and attempt.stopped is None:
                attempt.stopped = why
                attempt.scope.cancel()

    async def wait_idle(self) -> None:
        """Wait until nothing waits or runs."""
        await self._idle.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Run submitted jobs until cancelled."""
        self._waiting = _Waiting(*create_memory_object_stream[Job](float("inf")))
        async with self._waiting.put, self._waiting.take, create_task_group() as self._tasks:
            task_status.started()
            await sleep_forever()

    async def _run_jobs(self, jobs: MemoryObjectReceiveStream[Job]) -> None:
        async for job in jobs:
            attempt = self._attempts[job.id, job.epoch]
            try:
                with structlog.contextvars.bound_contextvars(**_context(job)):
                    await self._run_job(attempt)
            finally:
                del self._attempts[job.id, job.epoch]
                if not self._attempts:
                    self._idle.set()

    async def _run_job(self, attempt: _Attempt) -> None:
        job = attempt.job
        started = time.perf_counter()
        outcome: Outcome = GiveBack()
        with attempt.scope:
            if attempt.stopped is None:
                _announce_start(job)
                outcome = await self._performer.perform(job)
        outcome = concluded(job, outcome)
        if attempt.stopped is not None:
            outcome = _stopped(outcome)
        duration = time.perf_counter() - started
        ack = None if attempt.stopped in _SILENT else settle(job, outcome)
        if ack is not None and ack.step:
            ack = replace(ack, duration=duration)
        _report(attempt, outcome, ack, duration)
        if self._threads.is_abandoned((job.id, job.epoch)):
            # it may be completing the job in a transaction just now
            ack = None if ack is None else replace(ack, waits=False)
            self._stuck[job.id, job.epoch] = job
            log.warning("job.thread_abandoned", abandoned=len(self._stuck))
            self._on_stuck(job)
        self._on_done(job, ack)

    def _end_stuck(self, key: Hashable) -> None:
        job = self._stuck.pop(key, None)
        if job is not None:
            log.info("job.thread_ended", job=job.id, worker=job.worker, abandoned=len(self._stuck))
            self._on_free(job)


def _stopped(outcome: Outcome) -> Outcome:
    """Return the outcome of a stopped job: what it raised is its answer to being stopped."""
    match outcome:
        case Failure():
            return GiveBack()
        case Completed(Failure()):
            return replace(outcome, otherwise=GiveBack())
        case _:
            return outcome


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


def _announce_start(job: Job) -> None:
    log.debug("job.started")
    if Telemetry.wants("baton.job.start"):
        Telemetry.execute("baton.job.start", {"queue_time": queue_time(job)}, {"job": job})
    tell_start(job)


def _report(attempt: _Attempt, outcome: Outcome, ack: Ack | None, duration: float) -> None:
    job = attempt.job
    event = "baton.job.exception" if isinstance(outcome, Failure) else "baton.job.stop"
    if Telemetry.wants(event):
        metadata: dict[str, Any] = {"job": job, "state": _state(ack)}
        if isinstance(outcome, Failure):
            metadata |= {
                "kind": outcome.kind,
                "message": outcome.message,
                "traceback": outcome.traceback,
                "error": outcome.error,
            }
        Telemetry.execute(event, {"duration": duration, "queue_time": queue_time(job)}, metadata)
    _log(attempt, outcome, round(duration * 1000, 1))
    match outcome:
        case Completed(Failure(kind, message)) if kind != "CompletionRolledBack":
            # if the transaction was committed, nothing else remembers it
            log.warning("job.failed_after_completion", kind=kind, error=message[:500])


def _state(ack: Ack | None) -> str | None:
    if ack is None:
        return None
    return State.COMPLETED.value if ack.completed else ack.state.value


def _log(  # noqa: C901  one case for each
    attempt: _Attempt, outcome: Outcome, duration_ms: float
) -> None:
    facts = {"duration_ms": duration_ms}
    match outcome:
        case _ if attempt.stopped is Stop.ABANDON:
            log.warning("job.abandoned", **facts)
        case _ if attempt.stopped is Stop.REVOKED:
            log.info("job.revoked", **facts)
        case Failure(kind, message):
            last = attempt.job.attempt >= attempt.job.max_attempts
            event = "job.discarded" if last else "job.failed"
            log.warning(event, kind=kind, error=message[:500], **facts)
        case Success() | Completed():
            log.info("job.completed", **facts)
        case Snooze(delay):
            log.info("job.snoozed", delay=delay, **facts)
        case WaitForSignal(signal, timeout):
            log.info("job.waiting", signal=signal, timeout=timeout, **facts)
        case Skipped(cause):
            log.info("job.skipped", cause=cause, **facts)
        case Closed(cause):
            log.info("job.snoozed", cause=cause, **facts)
        case Discard(reason):
            log.warning("job.discarded", error=str(reason)[:500], **facts)
        case Cancel(reason):
            log.info("job.cancelled", error=str(reason)[:500], **facts)
        case GiveBack():
            log.info("job.given_back", **facts)
