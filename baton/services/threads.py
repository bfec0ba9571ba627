"""Threads for plain functions.

A thread can't be stopped: one that is not waited for any longer is abandoned, and whoever keeps
count is told when it ends.
"""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

from anyio import CapacityLimiter, get_cancelled_exc_class, to_thread


class _Call:
    """One call in a thread. Each side writes its own flag before it reads the other's."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.started = False
        self.ended = False
        self.abandoned = False
        self.error: BaseException | None = None

    def run(self) -> Any:
        self.started = True
        if self.abandoned:
            return None
        # caught here: StopIteration can't pass through a future, nor out of a coroutine
        try:
            return self._function()
        except BaseException as error:
            self.error = error
            return None


class Threads:
    """Runs calls in threads.

    Args:
        count: how many at once; abandoned ones come on top.
        on_ended: called on the event loop with the key of an abandoned call that has ended.
    """

    def __init__(self, count: int, *, on_ended: Callable[[Hashable], None]) -> None:
        self._limiter = CapacityLimiter(count)
        self._on_ended = on_ended
        self._abandoned: set[Hashable] = set()

    def resize(self, count: int) -> None:
        """Let another number run at once; those that run go on."""
        self._limiter.total_tokens = count

    def is_abandoned(self, key: Hashable) -> bool:
        """Whether the call with this key was abandoned and still runs."""
        return key in self._abandoned

    async def run(self, key: Hashable, function: Callable[[], Any]) -> Any:
        """Call a function in a thread and return what it returns, or raise what it raises.

        Args:
            key: names the call, once and for all.
            function: what to call.
        """
        loop = asyncio.get_running_loop()
        call = _Call(function)

        def run() -> Any:
            value = call.run()
            call.ended = True
            if call.abandoned:
                with suppress(RuntimeError):  # the loop is closed: nobody keeps count any longer
                    loop.call_soon_threadsafe(self._end, key)
            return value

        try:
            value = await to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._limiter)
        except get_cancelled_exc_class():
            call.abandoned = True
            if call.started and not call.ended:
                self._abandoned.add(key)
            raise
        if call.error is not None:
            raise call.error
        return value

    def _end(self, key: Hashable) -> None:
        if key in self._abandoned:
            self._abandoned.remove(key)
            self._on_ended(key)
