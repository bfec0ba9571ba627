"""The loop of cycles: each one acknowledges what ended and fetches what there is room for.

Everything that this process does to its jobs goes through here, one round trip at a time, so two
things need no lock: what is in hand, and what was lost when a connection broke.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from random import uniform
from time import monotonic

import structlog
from anyio import CancelScope, Event, create_task_group, sleep
from anyio.abc import TaskGroup, TaskStatus

from baton.errors import DatabaseError, InvalidData, StatementConflict
from baton.jobs import Job
from baton.llm.tally import Ledger, Tally
from baton.outcomes import Ack, Failure, GiveBack, failure, settle
from baton.services.acknowledgements import Acknowledgements, Ended
from baton.services.bell import Bell
from baton.services.executor import Executor
from baton.services.foresight import Foresight
from baton.services.lease_keeper import LeaseKeeper
from baton.services.lifeline import FIRST_DELAY, LOST_CLAIMS_PAUSE, Lifeline
from baton.services.outage import Outage
from baton.services.transitions import tell_cycle
from baton.states import State
from baton.store.cycles import Cycle, CycleConnection
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.producer")

HELD_PAUSE = 0.1  # seconds
GATHERING = 0.02  # seconds
MANY = 250  # jobs, which take longer to read than another task takes to begin
LONGEST_WAIT = 0.25  # seconds for which a job that was claimed ahead waits where nothing begins


class Producer:
    """Keeps the executor supplied and the database informed.

    Args:
        connection: where cycles run.
        lease: under which jobs are claimed.
        queues: how many jobs of each queue run at once.
        poll_interval: seconds after which to look even though nobody called.
        suspicion: seconds for which a broken connection may still claim jobs on the server.
        ledger: what jobs use of language models.
        outage: hears when cycles fail.
    """

    def __init__(
        self,
        connection: CycleConnection,
        lease: LeaseKeeper,
        queues: Mapping[str, int],
        *,
        poll_interval: float,
        suspicion: float,
        ledger: Ledger | None = None,
        outage: Outage | None = None,
    ) -> None:
        self._connection = connection
        self._lease = lease
        self._queues = dict(queues)
        self._poll_interval = poll_interval
        self._ledger = ledger if ledger is not None else Ledger()
        self._lifeline = Lifeline(connection, suspicion=suspicion, outage=outage or Outage())
        self._retry_at: float | None = None
        self._running: Counter[str] = Counter()
        self._stuck: Counter[str] = Counter()
        self._foresight = Foresight()
        self._woken = Bell()
        self._gathered = Bell()
        self._called = False  # since the cycle began, for a slot that is free
        self._sent: Sequence[Ended] = ()  # with the cycle that is under way
        self._acks = Acknowledgements(send=self._woken.ring)
        self._limited: Collection[str] = ()
        self._draining = False
        self._drained = Event()
        self._executor: Executor | None = None
        self._tasks: TaskGroup | None = None
        self._on_scheduled: Callable[[float], None] = lambda _: None

    @property
    def served(self) -> Collection[str]:
        """The queues that this process serves."""
        return self._queues.keys()

    def hungry(self) -> list[str]:
        """Return the queues with a free slot of which no fetch left jobs since the last call.

        The others go on by themselves: a fetch follows each slot that becomes free.
        """
        left = self._foresight.left()
        return [queue for queue in self._queues if self._has_room(queue) and queue not in left]

    @property
    def unacknowledged(self) -> list[int]:
        """Ids of the jobs that have ended here and that the database does not know of yet."""
        return sorted({*self._acks.ids, *(job.id for job, _ in self._sent)})

    def supply(self, executor: Executor) -> None:
        """Give fetched jobs to this executor."""
        self._executor = executor

    def tell_delays(self, on_scheduled: Callable[[float], None]) -> None:
        """Call this with the seconds until the next of the jobs that were sent to wait is due."""
        self._on_scheduled = on_scheduled

    def wake(self, queue: str | None = None) -> None:
        """Look at once; a queue that this process does not serve is ignored."""
        if queue is None or queue in self._queues:
            if queue is None or self._has_room(queue):
                self._called = True
                self._gathered.ring()
            self._woken.ring()

    def serve(self, queues: Mapping[str, int]) -> None:
        """Serve these queues from now on; what runs of others ends, and is acknowledged."""
        self._queues = dict(queues)
        if self._executor is not None:
            self._executor.serve(queues)
        self.wake()

    def limit(self, queues: Collection[str]) -> None:
        """Free the slots of these queues at once: other processes wait for them."""
        self._limited = queues

    def acknowledge(self, job: Job, ack: Ack | None) -> None:
        """Take the end of an attempt into the next cycle; without an ack it only frees its slot.

        Of one that nothing waits for, neither jobs for its slot nor steps, a few are gathered: each
        alone would cost a wait for the disk, and hold up the fetch of jobs that come meanwhile.
        """
        had_room = self._has_room(job.queue)
        self._running[job.queue] -= 1
        if ack is not None:
            if job.claim is not None and job.claim.tally is not None:
                job.claim.tally.end(ack.state.value, ack.duration)
                self._ledger.put_back([job.claim.tally])  # the next cycle comes anyway
            self._acks.add(job, ack)
            if had_room and self._is_awaited_by_nobody(job, ack) and self._acks.put_off():
                return
            self._acks.hurry()
            if self._acks.many or self._has_room(job.queue):
                self._gathered.ring()
        self._woken.ring()

    def _is_awaited_by_nobody(self, job: Job, ack: Ack) -> bool:
        if not ack.plain or ack.step or job.queue in self._limited:
            return False
        return not self._draining and not self._ledger

    def hold_slot(self, job: Job) -> None:
        """Keep the slot of a job that is given up while its thread runs on."""
        self._stuck[job.queue] += 1

    def free_slot(self, job: Job) -> None:
        """Give such a slot free."""
        self._stuck[job.queue] -= 1
        self.wake(job.queue)

    def abandon(self) -> None:
        """Forget what is in hand: the lease is gone, and others run it."""
        self._acks.forget()

    def drain(self) -> None:
        """Fetch no more; `drained` is set once nothing is left to acknowledge."""
        self._draining = True
        self._acks.hurry()
        if self._executor is not None:
            self._executor.return_waiting()
        self.wake()

    async def drained(self) -> None:
        """Wait until everything in hand is acknowledged."""
        await self._drained.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Cycle until cancelled."""
        async with create_task_group() as self._tasks:
            task_status.started()
            await self._run()

    async def _run(self) -> None:
        while True:
            self._called = False  # before the cycle: what calls during it is kept
            self._woken.mute()
            if self._executor is not None:
                self._executor.return_waiting(longer_than=LONGEST_WAIT)
            again = await self._cycle()
            self._sent = ()
            if self._draining and not self._in_hand():
                self._drained.set()
            if again:
                continue
            if self._acks.at_leisure or not (self._acks.new or self._ledger):
                await self._woken.wait(self._pause())
            elif self._may_gather():
                self._gathered.mute()
                await self._gathered.wait(GATHERING)

    def _may_gather(self) -> bool:
        """Whether a later and larger cycle costs nobody anything.

        What ended was of queues that have a next job for each of their slots here, and nobody has
        told of one for a slot that is free.
        """
        return (
            not self._acks.many
            and not self._called
            and self._waits
            and not any(map(self._has_room, {job.queue for job, _ in self._acks.new}))
        )

    def _has_room(self, queue: str) -> bool:
        """Whether a slot of a queue is free, so that nothing of it waits here."""
        return self._queues.get(queue, 0) > self._running[queue] + self._stuck[queue]

    @property
    def _waits(self) -> bool:
        return self._executor is not None and self._executor.waits

    def _in_hand(self) -> int:
        return len(self._acks) + len(self._ledger) + self._running.total()

    def _pause(self) -> float:
        pause = self._poll_interval
        if self._lifeline.suspect:
            pause = min(pause, LOST_CLAIMS_PAUSE)
        if self._waits:
            pause = min(pause, LONGEST_WAIT)
        if self._retry_at is not None:
            pause = min(pause, self._retry_at - monotonic())
        return max(0.0, pause)

    async def _cycle(self) -> bool:
        """Run one cycle; true when it is to be tried again at once."""
        self._retry_at = None
        capacities, spares = self._capacities()
        self._sent = pending = self._acks.take(with_others=bool(self._ledger))
        idle = not pending and not capacities and not self._ledger
        if idle and (self._draining or not self._lifeline.failing):
            return False
        if idle and not self._lease.held:
            await sleep(uniform(FIRST_DELAY, 2 * FIRST_DELAY))  # noqa: S311
            return True
        used = self._ledger.take()
        try:
            await self._exchange(pending, capacities, spares, used)
        except StatementConflict as error:
            self._acks.keep(pending)
            self._ledger.put_back(used)
            log.info("cycle.retried", reason=str(error))
            await sleep(uniform(0, 0.05))  # noqa: S311
            return True
        except InvalidData as error:
            log.warning("cycle.refused", reason=str(error))
            self._lifeline.suspect_claims()
            await self._exchange_singly(pending)
            await self._write_singly(used)
        except DatabaseError as error:
            self._acks.keep(pending)
            self._ledger.put_back(used)
            await self._lifeline.reconnect(error)
            return True
        else:
            self._lifeline.worked()
        return False

    async def _exchange(
        self,
        pending: Sequence[Ended],
        capacities: Mapping[str, int],
        spares: Mapping[str, int],
        used: Sequence[Tally] = (),
    ) -> None:
        if self._lifeline.suspect:
            known = self._known(pending)
            with CancelScope(shield=True):
                await self._lifeline.return_lost_claims(self._lease.lease, known)
        lease = self._lease.lease
        acks = [ack for _, ack in pending]
        with Telemetry.span(
            "baton.queue", {"acks": len(acks), "capacities": capacities}
        ) as measurements:
            cycle = await self._connection.cycle(
                lease,
                acks,
                capacities,
                spares=spares,
                ranges=self._foresight.ranges(capacities),
                used=used,
            )
            measurements["count"] = cycle.queues.total()
        if acks:
            self._lifeline.committed(unconfirmed=cycle.unconfirmed)
        self._running.update(cycle.queues)
        if cycle.retry_in is not None:
            self._retry_at = monotonic() + cycle.retry_in
        if cycle.held:
            self._acks.hold(pending, cycle.held)
            again = monotonic() + HELD_PAUSE
            self._retry_at = again if self._retry_at is None else min(again, self._retry_at)
        asked = {queue: count + spares.get(queue, 0) for queue, count in capacities.items()}
        take_in = partial(self._take_in, lease, asked, pending, cycle)
        if cycle.queues.total() < MANY or self._lifeline.suspect:
            take_in()
        elif self._tasks is not None:
            # the next cycle is sent first, so that the server works while this one is read
            self._tasks.start_soon(_soon, take_in)

    def _take_in(
        self,
        lease: int,
        asked: Mapping[str, int],
        pending: Sequence[Ended],
        cycle: Cycle,
    ) -> None:
        self._foresight.learn(asked, cycle.jobs)
        for job, error in cycle.unreadable:
            log.error("job.unreadable", job=job.id, worker=job.worker, reason=str(error))
            self.acknowledge(job, settle(job, failure(error)))
        # claims under a lease that was given up meanwhile are rescued with it
        current = self._lease.is_current(lease)
        for job in cycle.jobs:
            if not current:
                self.acknowledge(job, None)
            elif self._draining:  # since the cycle was sent: nothing starts any more
                self.acknowledge(job, settle(job, GiveBack()))
            else:
                self._submit(job)
        delays = [ack.delay for _, ack in pending if _is_delayed(ack) and ack.id in cycle.accepted]
        if delays:
            self._on_scheduled(min(delays))
        self._acks.report(pending, cycle)
        tell_cycle(pending, cycle)

    async def _exchange_singly(self, pending: Sequence[Ended]) -> None:
        """Acknowledge one at a time, and fail the attempt whose words the database refuses."""
        for job, ack in pending:
            try:
                await self._exchange([(job, ack)], {}, {})
            except InvalidData as error:
                failed = settle(job, Failure(type(error).__qualname__, str(error)))
                self._acks.add(job, failed)
            except DatabaseError:
                self._acks.add(job, ack)

    async def _write_singly(self, used: Sequence[Tally]) -> None:
        """Write down what attempts used, and leave out what the database refuses."""
        for tally in used:
            try:
                await self._exchange([], {}, {}, [tally])
            except InvalidData as error:
                log.warning("usage.refused", usage=tally.rows(), reason=str(error))
            except DatabaseError:
                self._ledger.put_back([tally])

    def _known(self, pending: Sequence[Ended]) -> list[int]:
        # also those of the batch that is acknowledged one by one, and whose turn has not come
        known = [job.id for job, _ in (*pending, *self._sent, *self._acks.new)]
        return known if self._executor is None else known + self._executor.in_hand

    def _submit(self, job: Job) -> None:
        if self._executor is not None:
            self._executor.submit(job)

    def _capacities(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many jobs of each queue have a free slot, and how many may wait for one."""
        paces = {} if self._executor is None else self._executor.paces()
        ahead = self._foresight.ahead(self._queues, paces)
        if self._draining or not self._lease.held:
            return {}, {}
        capacities, spares = {}, {}
        for queue, slots in self._queues.items():
            free = slots - self._running[queue] - self._stuck[queue]
            spare = ahead.get(queue, 0) + min(free, 0)
            if free > 0 or spare > 0:
                capacities[queue] = max(free, 0)
                spares[queue] = max(spare, 0)
        return capacities, spares


async def _soon(call: Callable[[], None]) -> None:
    call()


def _is_delayed(ack: Ack) -> bool:
    return ack.state is State.SCHEDULED or ack.state is State.RETRYABLE
