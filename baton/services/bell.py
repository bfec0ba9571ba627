"""What calls a task that waits: an event with a limit of time, without the price of a scope."""

import asyncio


class Bell:
    """One task waits for it; it may ring before, and then is not waited for.

    ``anyio.Event`` inside ``move_on_after`` does the same in three times the time, which every job
    that comes to an idle process waits for.
    """

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    def mute(self) -> None:
        """Forget that it rang."""
        self._rung = False

    def ring(self) -> None:
        """Call who waits, or who is going to."""
        self._rung = True
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, or for so many seconds."""
        if self._rung:
            return
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        timer = loop.call_later(seconds, _end, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            timer.cancel()


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
