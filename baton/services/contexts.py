"""Runs a coroutine in a context of its own without the price of a task of its own.

A runner performs one job after another in one task; without this, a context variable that the code
of one job sets would be seen by the next.
"""

from collections.abc import Awaitable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class InContext(Awaitable[T]):
    """Awaits a coroutine whose every step runs in ``context``."""

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, T]) -> None:
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        """Hand every step through: what is waited for, what it gave, and what it raised."""
        run, coroutine = self._context.run, self._coroutine
        step, value = coroutine.send, None
        try:
            while True:
                try:
                    awaited = run(step, value)
                except StopIteration as stop:
                    found: T = stop.value
                    return found
                try:
                    step, value = coroutine.send, (yield awaited)
                except BaseException as error:
                    step, value = coroutine.throw, error
        finally:
            coroutine.close()
