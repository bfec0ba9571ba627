"""Ends what took long enough: sleeps, waits for signals, and workflows past their deadlines."""

from collections.abc import Callable
from uuid import UUID

import structlog

from baton.errors import NotFound
from baton.services.duty import Duty
from baton.services.transitions import tell_texts
from baton.store import steering
from baton.store.asking import answer
from baton.store.pools import Database

log = structlog.get_logger("baton.timekeeper")

INTERVAL = 1.0  # seconds
BATCH = 1_000  # waits
REST = 3_600.0  # seconds; overdue workflows are cancelled when they are seen, not at intervals
OVERDUE = "its workflow is past its deadline"


class Timekeeper:
    """Every process looks, and knows when the next time is over; one process at a time ends it.

    Cancelling has a duty of its own: it waits for the locks of jobs, and must not hold up sleeps.

    Args:
        database: where.
        wake: called with each queue in which a step runs again; the others hear a notification.
        sweep: called when something has ended, for what follows from it.
        announce: whether to publish what becomes of steps.
        interval: seconds between two looks when nobody tells of a time.
    """

    def __init__(
        self,
        database: Database,
        *,
        wake: Callable[[str], None],
        sweep: Callable[[], None],
        announce: bool = True,
        interval: float = INTERVAL,
    ) -> None:
        self._database = database
        self._wake = wake
        self._sweep = sweep
        self._announce = announce
        self._overdue: list[UUID] = []
        self.duty = Duty("time", interval=interval, perform=self.look)
        self.cancelling = Duty("deadlines", interval=REST, perform=self.cancel)

    async def look(self) -> float | None:
        """Look once; return the seconds until the next time is over.

        Raises:
            DatabaseError: the database refused or is away.
        """
        params = {"most": BATCH, "announce": self._announce}
        [(ended, ready, overdue, next_in, notices)] = await self._database.run("time_keep", params)
        for queue in ready:
            self._wake(queue)
        if ended:
            self._sweep()
        if overdue:
            self._overdue = overdue
            self.cancelling.wake()
        tell_texts(notices)
        return None if next_in is None else float(next_in)

    async def cancel(self) -> None:
        """Cancel the workflows that were seen past their deadlines.

        Raises:
            DatabaseError: the database refused or is away; the next look sees them again.
        """
        overdue, self._overdue = self._overdue, []
        for workflow in overdue:
            planned = steering.cancel(workflow, OVERDUE, dry_run=False, portions=True)
            try:
                steps = await answer(self._database, planned)
            except NotFound:
                continue  # it was deleted meanwhile
            log.warning("workflow.overdue", workflow=str(workflow), cancelled=steps)
