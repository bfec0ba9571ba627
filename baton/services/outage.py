"""Says once that the database is in trouble, and once that it is over, for a whole process."""

from threading import Lock
from time import monotonic

import structlog

from baton.errors import DatabaseError

log = structlog.get_logger("baton.database")


class Outage:
    """Hears from those who can't do without the database: the cycles and the renewal of the lease.

    The first who fails begins the trouble, and it is over once all who failed have succeeded again.
    The lease is renewed in a thread of its own, hence the lock.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._failing: set[str] = set()
        self._began = 0.0

    def failed(self, who: str, error: DatabaseError) -> None:
        """Take note that somebody could not do its work, and tries again."""
        with self._lock:
            first = not self._failing
            self._failing.add(who)
            if first:
                self._began = monotonic()
        if first:
            log.error("database.trouble", noticed_by=who, reason=str(error))

    def worked(self, who: str) -> None:
        """Take note that somebody does its work, or has none to do."""
        if who not in self._failing:
            return
        with self._lock:
            self._failing.discard(who)
            last = not self._failing
        if last:
            log.info("database.back", after_s=round(monotonic() - self._began, 1))
