"""Stops jobs that are not this process's any more: cancelled, deleted or changed by hand."""

import structlog
from anyio.abc import TaskStatus

from baton.services.duty import Duty
from baton.services.executor import Executor
from baton.services.lease_keeper import LeaseKeeper
from baton.services.stopping import Stop
from baton.store.pools import Database

log = structlog.get_logger("baton.patrol")

INTERVAL = 5.0  # seconds


class Patrol:
    """Asks the database about the jobs in hand when it hears of a cancellation, and now and then.

    The database refuses what a revoked attempt acknowledges in any case; this stops its code. The
    interval is the net for notifications that were lost, and for jobs that were changed by hand.

    Args:
        database: what is asked.
        executor: what runs the jobs.
        lease: under which they were claimed.
        interval: seconds between two looks when nobody has said anything.
    """

    def __init__(
        self,
        database: Database,
        executor: Executor,
        lease: LeaseKeeper,
        *,
        interval: float = INTERVAL,
    ) -> None:
        self._database = database
        self._executor = executor
        self._lease = lease
        self._duty = Duty("patrol", interval=interval, perform=self._look)

    def hear(self, particulars: str) -> None:
        """Look at once when one of these ids, with spaces between, is in hand; or without ids."""
        named = set(particulars.split())
        if not named or any(str(job_id) in named for job_id in self._executor.in_hand):
            self._duty.wake()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Serve until cancelled."""
        await self._duty.run(task_status=task_status)

    async def _look(self) -> None:
        claims = self._executor.claims
        if not claims:
            return
        params = {
            "ids": [job_id for job_id, _ in claims],
            "epochs": [epoch for _, epoch in claims],
            "lease": self._lease.lease,
        }
        revoked = await self._database.run("claims_revoked", params)
        if revoked:
            log.info("jobs.revoked", jobs={job_id: became for job_id, _, became in revoked})
            self._executor.stop_jobs(((job, epoch) for job, epoch, _ in revoked), Stop.REVOKED)
