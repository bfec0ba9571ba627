"""What a process does when its cycles fail: connect again, and give back what was lost."""

from collections.abc import Sequence
from contextlib import suppress
from random import uniform
from time import monotonic

import structlog
from anyio import sleep

from baton.errors import CommitUnconfirmed, DatabaseError
from baton.services.outage import Outage
from baton.store.cycles import CycleConnection

log = structlog.get_logger("baton.producer")

FIRST_DELAY = 0.1  # seconds before a reconnection, doubled each time
LONGEST_DELAY = 0.8
LOST_CLAIMS_PAUSE = 1.0  # seconds


class Lifeline:
    """Knows how the connection of the cycles does.

    Args:
        connection: where cycles run.
        suspicion: seconds for which a broken connection may still claim jobs on the server.
        outage: hears of trouble.
    """

    def __init__(self, connection: CycleConnection, *, suspicion: float, outage: Outage) -> None:
        self._connection = connection
        self._suspicion = suspicion
        self._outage = outage
        self._suspect_until = 0.0
        self._delay = FIRST_DELAY
        self._cut = False  # since the last cycle
        self._failing = False
        self._lost_claims_at = 0.0

    @property
    def failing(self) -> bool:
        """Whether the last cycle failed, and not for a connection that was merely cut."""
        return self._failing

    @property
    def suspect(self) -> bool:
        """Whether a broken cycle may claim jobs without telling this process."""
        return monotonic() < self._suspect_until

    def suspect_claims(self) -> None:
        """Expect that a broken cycle claims jobs without telling this process."""
        self._suspect_until = monotonic() + self._suspicion

    async def return_lost_claims(self, lease: int, known: Sequence[int]) -> None:
        """Give back what is claimed under the lease and not known here, once a second at most."""
        if monotonic() < self._lost_claims_at + LOST_CLAIMS_PAUSE:
            return
        self._lost_claims_at = monotonic()
        if lost := await self._connection.return_lost(lease, known):
            log.warning("jobs.returned", jobs=lost)

    async def reconnect(self, error: DatabaseError) -> None:
        """Connect again after a cycle that failed, a little later each time."""
        self.suspect_claims()
        if error.maybe_done and not self._cut:
            # a connection that somebody cut is no trouble, if the next one works
            self._cut = True
            log.debug("connection.cut", reason=str(error))
        else:
            self._failing = True
            self._outage.failed("cycle", error)
            await sleep(uniform(self._delay / 2, self._delay))  # noqa: S311
            self._delay = min(self._delay * 2, LONGEST_DELAY)
        with suppress(DatabaseError):
            await self._connection.connect()

    def worked(self) -> None:
        """Take note of a cycle that did not fail."""
        self._failing = self._cut = False
        self._outage.worked("cycle")
        self._delay = FIRST_DELAY

    def committed(self, *, unconfirmed: bool) -> None:
        """Say once that no standby has what was acknowledged; it counts all the same."""
        if unconfirmed:
            self._outage.failed("standby", CommitUnconfirmed())
        else:
            self._outage.worked("standby")
