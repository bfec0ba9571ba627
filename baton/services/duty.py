"""A periodic duty: every process offers to do it, and rows keep it from being done twice.

There is no leader that could be missing. Stager, rescuer and sweeper are each a `Duty` around one
statement.
"""

from collections.abc import Awaitable, Callable
from math import inf
from random import uniform
from time import monotonic

import structlog
from anyio import Event, move_on_after
from anyio.abc import TaskStatus

from baton.errors import DatabaseError, DatabaseUnavailable
from baton.telemetry import Telemetry

log = structlog.get_logger("baton.duty")

LEAST = 0.02  # seconds between the beginnings of two runs, however often it is woken


class Duty:
    """Does something again and again.

    Args:
        name: for the log.
        interval: seconds between two runs at most.
        perform: does it once and returns the seconds until it wants to be called, or ``None`` when
            the interval will do.
    """

    def __init__(
        self, name: str, *, interval: float, perform: Callable[[], Awaitable[float | None]]
    ) -> None:
        self._name = name
        self._interval = interval
        self._perform = perform
        self._next = 0.0
        self._refused: str | None = None
        self._sooner = Event()

    def wake(self) -> None:
        """Run at once."""
        self.wake_in(0)

    def wake_in(self, seconds: float) -> None:
        """Run after so many seconds at the latest; costs nothing when it was to run by then."""
        at = monotonic() + seconds
        if at < self._next:
            self._next = at
            self._sooner.set()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Serve until cancelled; a run that the database refuses is tried again at the next.

        That the database is in trouble others say. What will not pass by itself is said once.
        """
        task_status.started()
        while True:
            self._next = inf  # before the run: a wake-up that comes during it is kept
            began = monotonic()
            wait = await self._once()
            self._next = min(self._next, monotonic() + wait)
            await self._sleep(began + LEAST)

    async def _sleep(self, earliest: float) -> None:
        while (left := max(self._next, earliest) - monotonic()) > 0:
            self._sooner = Event()
            with move_on_after(left):
                await self._sooner.wait()

    async def _once(self) -> float:
        # the jitter keeps processes that started together from asking together
        interval = self._interval * uniform(0.9, 1.0)  # noqa: S311
        try:
            with Telemetry.span("baton.plugin", {"plugin": self._name}):
                wanted = await self._perform()
        except DatabaseError as error:
            self._tell(error)
            return interval
        except Exception as error:  # a row that nobody thought of ends no process
            self._tell_unforeseen(error)
            return interval
        if self._refused is not None:
            log.info("duty.works_again", duty=self._name)
            self._refused = None
        return interval if wanted is None else max(0.0, min(wanted, interval))

    def _tell(self, error: DatabaseError) -> None:
        if error.transient or isinstance(error, DatabaseUnavailable):
            log.debug("duty.failed", duty=self._name, reason=str(error))
        elif str(error) != self._refused:
            self._refused = str(error)
            log.error("duty.failed", duty=self._name, reason=str(error))

    def _tell_unforeseen(self, error: Exception) -> None:
        told = f"{type(error).__qualname__}: {error}"
        if told != self._refused:
            self._refused = told
            log.error("duty.failed", duty=self._name, reason=told, exc_info=error)
