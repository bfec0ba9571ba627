"""How long a process may take to end: the grace, and a moment for what is left then.

Whoever stops it, systemd or Kubernetes, kills what is not gone in time, and does not ask whether it
was the database that kept it waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic  # and not of the event loop: it is asked outside of any task too

from anyio import Event, create_task_group, move_on_after, sleep

MOMENT = 0.5  # seconds after the grace for stopped jobs to end, and for the last acknowledgements
FAREWELL = 0.25  # seconds after that to give the lease back
UNASKED = 5.0  # seconds for it where a program cancels the process instead of stopping it


class Ending:
    """Keeps the time of a process that was asked to end.

    Args:
        grace: seconds that running jobs have to end.
        on_time_over: called when nothing that the database has not answered is to be waited for.
    """

    def __init__(self, grace: float, on_time_over: Callable[[], None] = lambda: None) -> None:
        self.grace = grace
        self._on_time_over = on_time_over
        self._timer: asyncio.TimerHandle | None = None
        self._asked = Event()
        self._hurried = Event()
        self._over_at = 0.0  # when the grace is

    @property
    def asked(self) -> bool:
        """Whether it was asked to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Begin the grace; asked again, it is over now."""
        if not self.asked:
            self._over_at = monotonic() + self.grace
            self._asked.set()
        else:
            self._over_at = min(self._over_at, monotonic())
            self._hurried.set()
        self._set_timer()

    def _set_timer(self) -> None:
        self.close()
        left = self._over_at + MOMENT - monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, left), self._on_time_over)

    def close(self) -> None:
        """Forget the time: the process has ended."""
        if self._timer is not None:
            self._timer.cancel()

    async def wait_asked(self) -> None:
        """Wait until it is asked to end."""
        await self._asked.wait()

    async def grace_over(self) -> None:
        """Wait until running jobs have had their time."""
        with move_on_after(self._over_at - monotonic()):
            await self._hurried.wait()

    async def time_over(self) -> None:
        """Wait until those have had theirs who bring home what is left."""
        await self.grace_over()
        await sleep(max(0.0, self._over_at + MOMENT - monotonic()))

    def farewell(self) -> float:
        """Return how many seconds there are to give the lease back."""
        if not self.asked:
            return UNASKED
        return max(0.0, self._over_at + MOMENT + FAREWELL - monotonic())


async def unless(work: Callable[[], Awaitable[None]], limit: Callable[[], Awaitable[None]]) -> bool:
    """Do something until a limit ends; whether it was done before."""
    done = False

    async def watch() -> None:
        await limit()
        tasks.cancel_scope.cancel()

    async with create_task_group() as tasks:
        tasks.start_soon(watch)
        await work()
        done = True
        tasks.cancel_scope.cancel()
    return done
