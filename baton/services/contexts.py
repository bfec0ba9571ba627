"""Runs a coroutine in a context of its own without the price of a task of its own.

A runner performs one job after another in one task; without this, a context variable that the code
of one job sets would be seen by the next.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


def _nothing() -> None:
    pass


class InContext(Awaitable[T]):
    """Awaits a coroutine whose every step runs in ``context``.

    Args:
        context: where.
        coroutine: what.
        on_wait: called when it waits for something for the first time; a coroutine that never does
            is over within its first step.
    """

    def __init__(
        self,
        context: Context,
        coroutine: Coroutine[Any, Any, T],
        on_wait: Callable[[], None] = _nothing,
    ) -> None:
        self._context = context
        self._coroutine = coroutine
        self._on_wait = on_wait

    def __await__(self) -> Generator[Any, Any, T]:
        """Hand every step through: what is waited for, what it gave, and what it raised."""
        run, coroutine = self._context.run, self._coroutine
        try:
            try:
                awaited = run(coroutine.send, None)
            except StopIteration as stop:
                at_once: T = stop.value
                return at_once
            self._on_wait()
            while True:
                try:
                    step, value = coroutine.send, (yield awaited)
                except BaseException as error:
                    step, value = coroutine.throw, error
                try:
                    awaited = run(step, value)
                except StopIteration as stop:
                    found: T = stop.value
                    return found
        finally:
            coroutine.close()
