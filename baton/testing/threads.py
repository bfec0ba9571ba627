"""Where plain functions run when a test performs jobs.

A test without an event loop gets one in a thread beside it, and its plain workers run where the
test itself runs: connections that belong to a thread, such as Django's and SQLite's, are the test's
own.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class _Call:
    """A call that a coroutine waits for while the test's thread makes it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._context = copy_context()
        self._done: Future[None] = Future()
        self._value: Any = None
        self._error: BaseException | None = None

    def make(self) -> None:
        if not self._done.set_running_or_notify_cancel():
            return  # nobody waits for it any longer
        # kept aside: StopIteration can't pass through a future
        try:
            self._value = self._context.run(self._function)
        except BaseException as error:
            self._error = error
        self._done.set_result(None)

    async def wait(self) -> Any:
        await asyncio.wrap_future(self._done)
        if self._error is not None:
            raise self._error
        return self._value


class CallingThread:
    """Runs plain functions in the thread that waits for the whole."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()

    async def run(self, _key: Hashable, function: Callable[[], Any]) -> Any:
        """Have a function called there; return what it returns, or raise what it raises."""
        call = _Call(function)
        self._calls.put(call)
        return await call.wait()

    def serve(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on an event loop in another thread, and its calls in this one."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(asyncio.run(main))
            except BaseException as error:
                result.set_exception(error)
            self._calls.put(None)

        # with the caller's context: a sync test sees the same variables as an async one
        Thread(target=copy_context().run, args=(run,), name="baton testing", daemon=True).start()
        while (call := self._calls.get()) is not None:
            call.make()
        return result.result()


def run_beside(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on an event loop of its own, wherever this is called."""
    return CallingThread().serve(main)
