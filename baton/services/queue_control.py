"""Has a process serve the queues that it is to serve, whatever was said since it was started."""

from collections.abc import Callable, Collection, Mapping

import structlog

from baton.queues import served
from baton.services.duty import Duty
from baton.store import queues as store
from baton.store.pools import Database

log = structlog.get_logger("baton.queues")

INTERVAL = 3.0  # seconds
BATCH = 1_000  # jobs


class QueueControl:
    """Looks at the start, when something was said about a queue, and now and then.

    Args:
        database: where.
        node: the name of this process.
        own: the queues that it was started with, and how many jobs of each run at once.
        serve: called with what it is to serve, whenever that has changed.
        limit: called with the queues of which only so many jobs run at once in all processes.
        return_waiting: called with the queues that are paused.
        interval: seconds between two looks when nobody calls.
    """

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        own: Mapping[str, int],
        serve: Callable[[Mapping[str, int]], None],
        limit: Callable[[Collection[str]], None],
        return_waiting: Callable[[Collection[str]], None],
        interval: float = INTERVAL,
    ) -> None:
        self._database = database
        self._node = node
        self._own = dict(own)
        self._serve = serve
        self._limit = limit
        self._return_waiting = return_waiting
        self._served = dict(own)
        self.duty = Duty("queues", interval=interval, perform=self.look)

    async def look(self) -> float | None:
        """Look once.

        Raises:
            DatabaseError: the database refused or is away.
        """
        said = await store.read_said(self._database, self._node)
        self._limit({name for name, each in said.items() if each.limited})
        self._return_waiting({name for name, each in said.items() if each.paused})
        queues = served(self._own, said)
        if queues != self._served:
            log.info("queues.changed", queues=queues)
            self._served = queues
            self._serve(queues)
        repaired = await store.repair(self._database, queues, most=BATCH)
        return 0.0 if repaired >= BATCH else None
