"""The loop of cycles: each one acknowledges what ended and fetches what there is room for.

Everything that this process does to its jobs goes through here, one round trip at a time, so two
things need no lock: what is in hand, and what was lost when a connection broke.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from random import uniform
from time import monotonic

import structlog
from anyio import CancelScope, Event, move_on_after, sleep
from anyio.abc import TaskStatus

from baton.errors import DatabaseError, InvalidData, StatementConflict
from baton.jobs import Job
from baton.outcomes import Ack, Failure, GiveBack, settle
from baton.services.executor import Executor
from baton.services.lease_keeper import LeaseKeeper
from baton.services.transitions import tell_cycle
from baton.states import State
from baton.store.cycles import Cycle, CycleConnection
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.producer")

FIRST_DELAY = 0.1  # seconds before a reconnection, doubled each time
LONGEST_DELAY = 2.0
LOST_CLAIMS_PAUSE = 1.0  # seconds
DELAYED = frozenset({State.SCHEDULED, State.RETRYABLE})
HELD_PAUSE = 0.1  # seconds


class Producer:
    """Keeps the executor supplied and the database informed.

    Args:
        connection: where cycles run.
        lease: under which jobs are claimed.
        queues: how many jobs of each queue run at once.
        poll_interval: seconds after which to look even though nobody called.
        suspicion: seconds for which a broken connection may still claim jobs on the server.
    """

    def __init__(
        self,
        connection: CycleConnection,
        lease: LeaseKeeper,
        queues: Mapping[str, int],
        *,
        poll_interval: float,
        suspicion: float,
    ) -> None:
        self._connection = connection
        self._lease = lease
        self._queues = dict(queues)
        self._poll_interval = poll_interval
        self._suspicion = suspicion
        self._acks: list[tuple[Job, Ack]] = []
        self._held: list[tuple[Job, Ack]] = []  # somebody else has these jobs locked
        self._doubtful: set[tuple[int, int]] = set()
        self._suspect_until = 0.0
        self._reconnect_delay = FIRST_DELAY
        self._retry_at: float | None = None
        self._lost_claims_at = 0.0
        self._running: Counter[str] = Counter()
        self._stuck: Counter[str] = Counter()
        self._woken = Event()
        self._draining = False
        self._drained = Event()
        self._executor: Executor | None = None
        self._on_scheduled: Callable[[float], None] = lambda _: None

    @property
    def served(self) -> Collection[str]:
        """The queues that this process serves."""
        return self._queues.keys()

    def supply(self, executor: Executor) -> None:
        """Give fetched jobs to this executor."""
        self._executor = executor

    def tell_delays(self, on_scheduled: Callable[[float], None]) -> None:
        """Call this with the seconds until the next of the jobs that were sent to wait is due."""
        self._on_scheduled = on_scheduled

    def wake(self, queue: str | None = None) -> None:
        """Look at once; a queue that this process does not serve is ignored."""
        if queue is None or queue in self._queues:
            self._woken.set()

    def serve(self, queues: Mapping[str, int]) -> None:
        """Serve these queues from now on; what runs of others ends, and is acknowledged."""
        self._queues = dict(queues)
        if self._executor is not None:
            names = {*queues, *self._running}
            self._executor.resize(
                sum(max(queues.get(name, 0), self._running[name]) for name in names)
            )
        self._woken.set()

    def acknowledge(self, job: Job, ack: Ack | None) -> None:
        """Take the end of an attempt into the next cycle; without an ack it only frees its slot."""
        self._running[job.queue] -= 1
        if ack is not None:
            self._acks.append((job, ack))
        self._woken.set()

    def hold_slot(self, job: Job) -> None:
        """Keep the slot of a job that is given up while its thread runs on."""
        self._stuck[job.queue] += 1

    def free_slot(self, job: Job) -> None:
        """Give such a slot free."""
        self._stuck[job.queue] -= 1
        self._woken.set()

    def abandon(self) -> None:
        """Forget what is in hand: the lease is gone, and others run it."""
        self._acks.clear()
        self._held.clear()

    def drain(self) -> None:
        """Fetch no more; `drained` is set once nothing is left to acknowledge."""
        self._draining = True
        self._woken.set()

    async def drained(self) -> None:
        """Wait until everything in hand is acknowledged."""
        await self._drained.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Cycle until cancelled."""
        task_status.started()
        while True:
            self._woken = Event()  # before the cycle: a wake-up that comes during it is kept
            again = await self._cycle()
            if self._draining and not self._in_hand():
                self._drained.set()
            if not again and not self._acks:
                with move_on_after(self._pause()):
                    await self._woken.wait()

    def _in_hand(self) -> int:
        return len(self._acks) + len(self._held) + self._running.total()

    def _pause(self) -> float:
        if self._retry_at is None:
            return self._poll_interval
        return max(0.0, min(self._poll_interval, self._retry_at - monotonic()))

    async def _cycle(self) -> bool:
        """Run one cycle; true when it is to be tried again at once."""
        self._retry_at = None
        capacities = self._capacities()
        pending = [*self._held, *self._acks]
        self._acks, self._held = [], []
        if not pending and not capacities:
            return False
        try:
            await self._exchange(pending, capacities)
        except StatementConflict as error:
            self._keep(pending)
            log.info("cycle.retried", reason=str(error))
            await sleep(uniform(0, 0.05))  # noqa: S311
            return True
        except InvalidData as error:
            log.warning("cycle.refused", reason=str(error))
            self._suspect_until = monotonic() + self._suspicion
            await self._exchange_singly(pending)
        except DatabaseError as error:
            self._keep(pending)
            await self._reconnect(error)
            return True
        else:
            self._report_back()
        return False

    async def _exchange(
        self, pending: Sequence[tuple[Job, Ack]], capacities: Mapping[str, int]
    ) -> None:
        with CancelScope(shield=True):
            if monotonic() < self._suspect_until:
                await self._return_lost_claims(pending)
            lease = self._lease.lease
            acks = [ack for _, ack in pending]
            with Telemetry.span(
                "baton.queue", {"acks": len(acks), "capacities": capacities}
            ) as measurements:
                cycle = await self._connection.cycle(lease, acks, capacities)
                measurements["count"] = len(cycle.jobs)
            if cycle.retry_in is not None:
                self._retry_at = monotonic() + cycle.retry_in
            if cycle.held:
                self._hold(pending, cycle.held)
            # claims under a lease that was given up meanwhile are rescued with it
            for job in cycle.jobs if self._lease.is_current(lease) else ():
                if self._draining:  # since the cycle was sent: nothing starts any more
                    self._acks.append((job, settle(job, GiveBack())))
                    continue
                self._running[job.queue] += 1
                self._submit(job)
        delays = [ack.delay for ack in acks if ack.state in DELAYED and ack.id in cycle.accepted]
        if delays:
            self._on_scheduled(min(delays))
        self._report(pending, cycle)
        tell_cycle(pending, cycle)

    async def _exchange_singly(self, pending: Sequence[tuple[Job, Ack]]) -> None:
        """Acknowledge one at a time, and fail the attempt whose words the database refuses."""
        for job, ack in pending:
            try:
                await self._exchange([(job, ack)], {})
            except InvalidData as error:
                failed = settle(job, Failure(type(error).__qualname__, str(error)))
                self._acks.append((job, failed))
            except DatabaseError:
                self._acks.append((job, ack))

    def _submit(self, job: Job) -> None:
        if self._executor is not None:
            self._executor.submit(job)

    def _capacities(self) -> dict[str, int]:
        if self._draining or not self._lease.held:
            return {}
        free = {
            queue: limit - self._running[queue] - self._stuck[queue]
            for queue, limit in self._queues.items()
        }
        return {queue: capacity for queue, capacity in free.items() if capacity > 0}

    def _report(self, pending: Sequence[tuple[Job, Ack]], cycle: Cycle) -> None:
        for job, ack in pending:
            if ack.id in cycle.held:
                continue
            sent_before = (ack.id, ack.epoch) in self._doubtful
            self._doubtful.discard((ack.id, ack.epoch))
            facts = {"job": job.id, "worker": job.worker, "state": ack.state.value}
            if ack.id in cycle.accepted:
                if ack.completed:
                    log.warning("job.completion_rolled_back", **facts)
            # one that was sent before a connection broke was probably accepted then, and one that
            # its worker has completed is expected to be refused
            elif not sent_before and not ack.completed:
                log.warning("job.ack_refused", **facts)

    def _hold(self, pending: Sequence[tuple[Job, Ack]], held: frozenset[int]) -> None:
        """Acknowledge these in a later cycle, when their jobs are not locked any more."""
        again = monotonic() + HELD_PAUSE
        self._retry_at = again if self._retry_at is None else min(again, self._retry_at)
        self._held += [(job, ack) for job, ack in pending if ack.id in held]

    def _keep(self, pending: Sequence[tuple[Job, Ack]]) -> None:
        """Keep acknowledgements for the next cycle; whether this one took them is not known."""
        self._acks[:0] = pending
        self._doubtful.update((ack.id, ack.epoch) for _, ack in pending)

    async def _return_lost_claims(self, pending: Sequence[tuple[Job, Ack]]) -> None:
        """Give back what a broken cycle claimed for this process without telling it."""
        if monotonic() < self._lost_claims_at + LOST_CLAIMS_PAUSE:
            return
        self._lost_claims_at = monotonic()
        known = [job.id for job, _ in (*pending, *self._acks)]
        if self._executor is not None:
            known += self._executor.in_hand
        if lost := await self._connection.return_lost(self._lease.lease, known):
            log.warning("jobs.returned", jobs=lost)

    async def _reconnect(self, error: DatabaseError) -> None:
        if self._reconnect_delay == FIRST_DELAY:
            log.error("database.lost", reason=str(error))
        await sleep(uniform(self._reconnect_delay / 2, self._reconnect_delay))  # noqa: S311
        self._reconnect_delay = min(self._reconnect_delay * 2, LONGEST_DELAY)
        self._suspect_until = monotonic() + self._suspicion
        with suppress(DatabaseError):
            await self._connection.connect()

    def _report_back(self) -> None:
        if self._reconnect_delay > FIRST_DELAY:
            log.info("database.back")
            self._reconnect_delay = FIRST_DELAY
