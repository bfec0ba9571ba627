"""Looks around for a whole process: one statement a second says which duties have work.

Each duty by itself would ask every second: seven statements of a process without a single job.
Nothing is decided here: whoever is woken looks again, and rows keep it from being done twice.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import structlog

from baton.services.callbacks import Lease
from baton.services.duty import Duty
from baton.services.neighbours import is_gone, this_machine
from baton.services.rescuer import SILENCE
from baton.services.stager import Stager
from baton.services.sweeper import AGE
from baton.store.lookout import Found, bury, look_around
from baton.store.pools import Database

log = structlog.get_logger("baton.lookout")

INTERVAL = 1.0  # seconds
PATIENCE = 1.4  # seconds without a renewal after which a lease is looked at closely
PASSING = 1e-5  # seconds without a look at jobs, for each entry of an index that the last one read
LONGEST_REST = 60.0  # seconds
RESCUE_REST = 30.0  # seconds after which to look for jobs without a lease though none has gone


@dataclass(frozen=True, slots=True)
class Posts:
    """Who is woken: the duties of a process that have nothing to do most of the time."""

    staging: Stager
    timekeeping: Duty
    rescuing: Duty
    sweeping: Duty
    queues: Duty
    crons: Duty
    callbacks: Duty
    budgets: Duty


class Lookout:
    """Looks, and wakes those who have something to do, each at its time.

    It is the net under notifications too: what was said and not heard is found a second later, and
    jobs that nobody was told of after ``poll_interval``; or later, where it has to walk over many
    jobs that it does not see. Those of a large insert that is not committed yet are such, and each
    process would walk over all of them each second.

    Args:
        database: where.
        lease: of the process.
        posts: who is woken.
        served: returns the queues that this process serves now.
        hungry: returns those of them that it has free slots for and knows no jobs of.
        listeners: returns the workers of this process that have callbacks.
        wake: called with each queue that has jobs to start.
        poll_interval: seconds between two calls of it, about.
    """

    def __init__(
        self,
        database: Database,
        lease: Lease,
        posts: Posts,
        *,
        served: Callable[[], Collection[str]],
        hungry: Callable[[], Collection[str]],
        listeners: Callable[[], Sequence[str]],
        wake: Callable[[str], None],
        poll_interval: float,
    ) -> None:
        self._database = database
        self._lease = lease
        self._posts = posts
        self._served = served
        self._hungry = hungry
        self._listeners = listeners
        self._wake = wake
        self._poll_interval = poll_interval
        self._polled_at = monotonic()
        self._rests_until = 0.0
        self._before: Found | None = None
        self.duty = Duty("look", interval=min(poll_interval, INTERVAL), perform=self.look)

    async def look(self) -> None:
        """Look once.

        Raises:
            DatabaseError: the database refused or is away.
        """
        before, posts = self._before, self._posts
        rested = monotonic() >= self._rests_until
        others = rested and posts.staging.spares
        found = await look_around(
            self._database,
            lease=self._lease.lease,
            queues=self._served() if rested else (),
            hungry=self._hungry() if rested and self._polls() else (),
            workers=self._listeners(),
            others=others,
            age=AGE,
            silence=SILENCE,
            # a new process may come because another one died a moment ago
            patience=PATIENCE if before is not None else 0.0,
            machine=this_machine(),
        )
        self._before = found
        if rested:
            self._rests_until = monotonic() + min(found.passed * PASSING, LONGEST_REST)
        for queue in found.ready:
            self._wake(queue)
        await self._bury(found.near)
        for duty, seconds in (
            (posts.staging.duty, 0.0 if found.others_due else found.stage_in),
            (posts.timekeeping, found.time_in),
            (posts.sweeping, found.sweep_in),
            (posts.rescuing, found.rescue_in),
        ):
            if seconds is not None:
                duty.wake_in(seconds)
        if others and not found.others_due:
            posts.staging.spare()
        for duty, has_work in (
            (posts.rescuing, found.rescued_ago > RESCUE_REST),
            (posts.rescuing, before is None or found.leases != before.leases),
            (posts.queues, before is None or found.said != before.said or found.misplaced),
            (posts.crons, before is None or found.crons != before.crons),
            (posts.callbacks, found.callbacks),
            (posts.budgets, found.budgets),
        ):
            if has_work:
                duty.wake()

    async def _bury(self, near: Mapping[int, str]) -> None:
        gone = [lease for lease, process in near.items() if is_gone(process)]
        if gone:
            log.warning("leases.orphaned", leases=gone)
            await bury(self._database, gone)
            self._posts.rescuing.wake()

    def _polls(self) -> bool:
        if monotonic() < self._polled_at + self._poll_interval - INTERVAL:
            return False
        self._polled_at = monotonic()
        return True
