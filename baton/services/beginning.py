"""How a process begins while its database is away: it waits, says so once, and can be stopped.

Whoever starts it again and again instead waits longer and longer between two tries, as Kubernetes
does, or gives up, as systemd does. What will not pass by itself, a wrong password or a schema that
was never migrated, ends the process at once.
"""

from collections.abc import Awaitable, Callable
from random import uniform
from time import monotonic

from anyio import move_on_after

from baton.errors import DatabaseError
from baton.services.ending import Ending
from baton.services.outage import Outage

FIRST_PAUSE = 0.1  # seconds between two tries, doubled each time
LONGEST_PAUSE = 0.8


class StoppedEarly(Exception):
    """The process was told to end while it waited for its database."""


class Beginning:
    """Reaches the database step by step.

    Args:
        patience: seconds to wait for it at each step.
        ending: of the process.
        give_up: ends the waiting of a try that is under way.
        outage: hears that it is waited for.

    Attributes:
        reason: why the process does not perform jobs yet.
        given_up: whether it was told to end meanwhile, and has no database any more.
    """

    def __init__(
        self, patience: float, ending: Ending, give_up: Callable[[], None], outage: Outage
    ) -> None:
        self._patience = patience
        self._ending = ending
        self._give_up = give_up
        self._outage = outage
        self._waiting = False
        self.reason = "it is starting"
        self.given_up = False

    def end(self) -> None:
        """Wait for the database no longer: the process was told to end."""
        if self._waiting:
            self.given_up = True
            self._give_up()

    async def reach(self, step: Callable[[], Awaitable[object]], *, last: bool = False) -> None:
        """Do something that needs the database, again and again while that is in trouble.

        Args:
            step: what to do.
            last: whether the process has begun when it is done; a word to end lets it be, because
                what begins now needs its connections to end well.

        Raises:
            DatabaseError: it refuses, or was away for too long.
            StoppedEarly: the process is to end.
        """
        if self.given_up:
            raise StoppedEarly
        until = monotonic() + self._patience
        pause = FIRST_PAUSE
        while not await self._done(step, until, last=last):
            with move_on_after(uniform(pause / 2, pause)):  # noqa: S311
                await self._ending.wait_asked()
            if self._ending.asked:
                raise StoppedEarly
            pause = min(pause * 2, LONGEST_PAUSE)
        self._outage.worked("start")
        self.reason = "it is starting"

    async def _done(
        self, step: Callable[[], Awaitable[object]], until: float, *, last: bool
    ) -> bool:
        self._waiting = not last
        try:
            await step()
        except DatabaseError as error:
            if self._ending.asked:
                raise StoppedEarly from error
            if not error.transient or monotonic() >= until:
                raise
            self._outage.failed("start", error)
            self.reason = "it waits for the database"
            return False
        else:
            return True
        finally:
            self._waiting = False
