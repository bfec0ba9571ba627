"""Makes scheduled and retryable jobs available when they are due."""

from collections.abc import Callable, Collection
from time import monotonic

from baton.services.duty import Duty
from baton.store.pools import Database

INTERVAL = 1.0  # seconds
BATCH = 5_000  # jobs
SPARE = 500  # jobs of queues that this process does not serve
SPARE_PAUSE = 5.0  # seconds


class Stager:
    """Stages the queues of its process; those that nobody serves come last, and little by little.

    Its duty sleeps until the next job is due, or until somebody tells of one: this process by
    `Duty.wake_in` of what it has acknowledged itself, others by the control word ``due``, and the
    lookout of its process of everything else.

    Args:
        database: where.
        served: returns the queues that this process serves now.
        wake: called with each queue that got something; the others hear a notification.
        interval: seconds between two looks when nobody tells.
    """

    def __init__(
        self,
        database: Database,
        *,
        served: Callable[[], Collection[str]],
        wake: Callable[[str], None],
        interval: float = INTERVAL,
    ) -> None:
        self._database = database
        self._served = served
        self._wake = wake
        self._spare_at = 0.0
        self.duty = Duty("stage", interval=interval, perform=self.look)

    @property
    def spares(self) -> bool:
        """Whether it is time to look at queues that this process does not serve."""
        return monotonic() >= self._spare_at

    def spare(self) -> None:
        """Leave those queues alone for a while: somebody has just looked at them."""
        self._spare_at = monotonic() + SPARE_PAUSE

    async def look(self) -> float | None:
        """Look once; return the seconds until the next job is due.

        Raises:
            DatabaseError: the database refused or is away.
        """
        spare = SPARE if self.spares else 0
        params = {"most": BATCH, "queues": list(self._served()), "spare": spare}
        [(ready, next_in)] = await self._database.run("jobs_stage", params)
        if spare:
            self.spare()
        for queue in ready:
            self._wake(queue)
        return None if next_in is None else float(next_in)
