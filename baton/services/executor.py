"""Runs jobs: keeps runners, stops what is to be stopped, and says what each attempt came to.

Runners are long-lived: a task, or the entry of a task group, for every job would cost more than
the rest of a short job. A runner takes one attempt after another from a lane, and whenever the
code of a job waits for something it calls the next runner; so what never waits costs no switch
between tasks at all. A coroutine runs on the event loop, a plain function in a thread, which can't
be stopped: when its job is stopped the thread is abandoned, the job is given up at once, and its
slot only when the thread has ended.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from time import perf_counter
from typing import Any

import structlog
from anyio import CancelScope, Event, create_task_group
from anyio.abc import TaskStatus

from baton.jobs import Job
from baton.llm.meter import Meter
from baton.outcomes import (
    Ack,
    Completed,
    Failure,
    GiveBack,
    Held,
    Outcome,
    concluded,
    failure,
    settle,
)
from baton.services.admission import Admit
from baton.services.cancelling import ends, forget_cancellation
from baton.services.contexts import InContext
from baton.services.grafting import MAX_ARGS_BYTES, Completer, refuse
from baton.services.lanes import Attempt, Lane, Pace
from baton.services.performer import Performer
from baton.services.processes import Processes
from baton.services.reporting import announce_start, bind, report
from baton.services.stopping import Stop
from baton.services.threads import Threads
from baton.workers import Registry

log = structlog.get_logger("baton.job")

Claim = tuple[int, int]
LONGEST_BREATH = 0.0005  # seconds for which jobs that never wait keep the event loop to themselves
DOUBT = 0.02  # seconds
_SILENT = frozenset({Stop.ABANDON, Stop.REVOKED})


class Executor:
    """Runs jobs, of each queue so many at once; what is submitted beyond that waits.

    Args:
        registry: where workers are found, and the hooks around them.
        queues: how many jobs of each queue run at once.
        max_result_bytes: the largest result of a step.
        on_done: called with every attempt that ends and its acknowledgement, if it is to have one.
        on_stuck: called with the job of a thread that was abandoned: its slot is not free.
        on_free: called with that job once the thread has ended.
        processes: where workers with ``executor="process"`` run.
        resources: what the lifespans have opened, by name.
        max_args_bytes: the largest arguments of a job that a worker grafts.
        complete: completes a job whose worker returned steps, and adds them.
        meter: records what jobs use of language models.
        admit: asks the budgets, before an attempt of a worker that calls language models starts.
        may_begin: whether what waits is still this process's; asked before each attempt.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        queues: Mapping[str, int],
        max_result_bytes: int,
        on_done: Callable[[Job, Ack | None], None],
        on_stuck: Callable[[Job], None] = lambda _: None,
        on_free: Callable[[Job], None] = lambda _: None,
        processes: Processes | None = None,
        resources: Mapping[str, Any] | None = None,
        max_args_bytes: int = MAX_ARGS_BYTES,
        complete: Completer = refuse,
        meter: Meter | None = None,
        admit: Admit | None = None,
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_begin = may_begin
        self._lanes = {queue: Lane(slots) for queue, slots in queues.items()}
        self._on_done = on_done
        self._on_stuck = on_stuck
        self._on_free = on_free
        self._stuck: dict[Hashable, Job] = {}
        self._threads = Threads(max(sum(queues.values()), 1), on_ended=self._end_stuck)
        self._performer = Performer(
            registry,
            max_result_bytes=max_result_bytes,
            threads=self._threads,
            processes=processes,
            resources=resources,
            max_args_bytes=max_args_bytes,
            complete=complete,
            meter=meter,
            admit=admit,
        )
        # by id and epoch: a job that is retried while its cancelled attempt ends is here twice
        self._attempts: dict[Claim, Attempt] = {}
        self._runs = False
        self._resting: list[asyncio.Future[Lane]] = []
        self._unmanned: list[Lane] = []  # those that a new runner is to begin with
        self._runner_wanted = asyncio.Event()
        self._breathed_at = 0.0
        self._idle = Event()
        self._idle.set()

    @property
    def in_hand(self) -> list[int]:
        """Ids of the jobs that wait for a slot or run."""
        return [job_id for job_id, _ in self._attempts]

    @property
    def count(self) -> int:
        """How many jobs wait for a slot or run; from any thread."""
        return len(self._attempts)

    @property
    def claims(self) -> list[Claim]:
        """The jobs that wait for a slot or run, and the epochs in which they were claimed."""
        return list(self._attempts)

    @property
    def waits(self) -> bool:
        """Whether any job waits for a slot."""
        return any(lane.waiting for lane in self._lanes.values())

    def paces(self) -> dict[str, Pace]:
        """Return the pace of each queue in which something has ended since this was asked."""
        return {queue: lane.new_pace() for queue, lane in self._lanes.items() if lane.pace.ended}

    def submit(self, job: Job) -> None:
        """Take a job; it starts at once if its queue has a free slot."""
        if not self._runs:
            raise RuntimeError("the executor is not running")
        claim = job.id, job.epoch
        if claim in self._attempts or claim in self._stuck:
            self._take_again(job, self._attempts.get(claim))
            return
        attempt = self._attempts[claim] = Attempt(job)
        if self._idle.is_set():
            self._idle = Event()
        lane = self._lanes.get(job.queue)
        if lane is None:
            lane = self._lanes[job.queue] = Lane(1)
        lane.add(attempt)
        self._call(lane)

    def _take_again(self, job: Job, attempt: Attempt | None) -> None:
        """Take a claim that is in hand: a crash of the server forgot it, and it was made again.

        The attempt goes on, for the new claim as well; one that was stopped or given up can't.
        """
        goes_on = attempt is not None and attempt.stopped is None
        log.info("job.claimed_again", job=job.id, epoch=job.epoch, goes_on=goes_on)
        self._on_done(job, None if goes_on else settle(job, GiveBack()))

    def serve(self, queues: Mapping[str, int]) -> None:
        """Run so many jobs of each queue at once; of others nothing begins any more."""
        for queue in {*queues, *self._lanes}:
            lane = self._lanes.setdefault(queue, Lane(0))
            lane.slots = queues.get(queue, 0)
            if lane.slots == 0:
                self._return(lane)
            self._call(lane)
        slots = sum(max(lane.slots, lane.running) for lane in self._lanes.values())
        self._threads.resize(max(slots, 1))

    def stop(self, why: Stop) -> None:
        """Stop every job that waits or runs."""
        self.stop_jobs(self.claims, why)

    def stop_jobs(self, claims: Iterable[Claim], why: Stop) -> None:
        """Stop these jobs; those that have ended meanwhile are left alone."""
        for claim in claims:
            attempt = self._attempts.get(claim)
            if attempt is not None and attempt.stopped is None:
                attempt.stopped = why
                if attempt.scope is not None:
                    attempt.scope.cancel()
                else:
                    self._lanes[attempt.job.queue].waiting.remove(attempt)
                    self._conclude(attempt, GiveBack())

    def return_waiting(self, longer_than: float = 0.0) -> None:
        """Give back what waits for a slot, of queues where nothing began for so many seconds.

        Where a slot is free the next is about to begin, however long this process got no time.
        """
        before = perf_counter() - longer_than
        for lane in self._lanes.values():
            if lane.moved_at <= before and not (longer_than and lane.ready):
                self._return(lane)

    def return_waiting_of(self, queues: Iterable[str]) -> None:
        """Give back what waits for a slot of these queues."""
        for queue in queues:
            if queue in self._lanes:
                self._return(self._lanes[queue])

    def _return(self, lane: Lane) -> None:
        waiting = [(each.job.id, each.job.epoch) for each in reversed(lane.waiting)]
        self.stop_jobs(waiting, Stop.GIVE_BACK)

    async def wait_idle(self) -> None:
        """Wait until nothing waits or runs."""
        await self._idle.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Run submitted jobs until cancelled."""
        async with create_task_group() as runners:
            self._runs = True
            task_status.started()
            while True:
                await self._runner_wanted.wait()
                self._runner_wanted.clear()
                while self._unmanned:
                    runners.start_soon(self._run_lane, self._unmanned.pop())

    def _call(self, lane: Lane) -> None:
        """See to it that a runner comes for what may run of a lane."""
        if lane.called or not lane.ready:
            return
        lane.called = True
        while self._resting:
            resting = self._resting.pop()
            if not resting.done():  # it ends with the process
                resting.set_result(lane)
                return
        # by `run`: a thread that ends calls from no task, and others in the context of their job
        self._unmanned.append(lane)
        self._runner_wanted.set()

    async def _run_lane(self, lane: Lane) -> None:
        loop, task, resting = asyncio.get_running_loop(), asyncio.current_task(), None
        while True:
            lane.called = False
            try:
                # one scope for many attempts, and a new one after each that was stopped
                with CancelScope() as scope:
                    while not scope.cancel_called:
                        if not self._may_begin():
                            await self._doubt(lane)
                        attempt = lane.take()
                        if attempt is None:
                            self._resting.append(resting := loop.create_future())
                            lane = await resting
                            lane.called = False
                        else:
                            await self._run_attempt(lane, attempt, scope)
                            if task is not None and task.cancelling():
                                await _settle_cancellation()
            except asyncio.CancelledError:
                if ends():
                    raise
                # by code of a job, after its end: it kept the task, or let a timer cancel it
                log.warning("runner.cancelled")
                if resting is not None and resting.done() and not resting.cancelled():
                    lane = resting.result()  # it was on its way there
            if task is not None and task.cancelling():
                await _settle_cancellation()

    async def _doubt(self, lane: Lane) -> None:
        """Wait until what waits may begin after all, or was taken away."""
        lane.called = True  # by nobody else meanwhile
        while lane.waiting:
            await asyncio.sleep(DOUBT)
            if self._may_begin():
                break
        lane.called = False

    async def _run_attempt(self, lane: Lane, attempt: Attempt, scope: CancelScope) -> None:
        attempt.scope = scope
        context = copy_context()
        try:
            outcome = await InContext(context, self._perform(attempt.job), lambda: self._call(lane))
        except BaseException as error:
            if attempt.stopped is not None:
                context.run(self._conclude, attempt, GiveBack())
                raise
            if ends():
                self._forget(attempt)
                raise
            outcome = failure(error)
        context.run(self._conclude, attempt, outcome)
        if perf_counter() - self._breathed_at > LONGEST_BREATH:
            self._breathed_at = perf_counter()
            await asyncio.sleep(0)

    async def _perform(self, job: Job) -> Outcome:
        bind(job)
        announce_start(job)
        return await self._performer.attempt(job)

    def _conclude(self, attempt: Attempt, outcome: Outcome) -> None:
        """Settle an attempt, in the context of its job, and let go of it."""
        job = attempt.job
        outcome = concluded(job, outcome)
        if attempt.stopped is not None:
            outcome = _stopped(outcome)
        duration = perf_counter() - attempt.started if attempt.scope is not None else 0.0
        silent = attempt.stopped in _SILENT or isinstance(outcome, Held)
        ack = None if silent else settle(job, outcome, duration)
        report(job, outcome, ack, duration, attempt.stopped)
        if self._threads.is_abandoned((job.id, job.epoch)):
            # it may be completing the job in a transaction just now
            ack = None if ack is None else replace(ack, waits=False)
            self._stuck[job.id, job.epoch] = job
            log.warning("job.thread_abandoned", abandoned=len(self._stuck))
            self._on_stuck(job)
        elif attempt.scope is not None:
            self._lanes[job.queue].end(duration)
        self._forget(attempt)
        self._on_done(job, ack)

    def _forget(self, attempt: Attempt) -> None:
        del self._attempts[attempt.job.id, attempt.job.epoch]
        if not self._attempts:
            self._idle.set()

    def _end_stuck(self, key: Hashable) -> None:
        job = self._stuck.pop(key, None)
        if job is not None:
            log.info("job.thread_ended", job=job.id, worker=job.worker, abandoned=len(self._stuck))
            lane = self._lanes[job.queue]
            lane.running -= 1
            self._call(lane)
            self._on_free(job)


async def _settle_cancellation() -> None:
    """Undo what code of a job did to the task that it ran in, also what is still to come."""
    if ends():
        return
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    forget_cancellation()


def _stopped(outcome: Outcome) -> Outcome:
    """Return the outcome of a stopped job: what it raised is its answer to being stopped."""
    match outcome:
        case Failure():
            return GiveBack()
        case Completed(Failure()):
            return replace(outcome, otherwise=GiveBack())
        case _:
            return outcome
