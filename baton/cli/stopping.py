"""How a worker process hears that it is to stop, and is made to end."""

import asyncio
import contextlib
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import anyio
import structlog

from baton.cli.frame import ExitCode
from baton.leash import Leash
from baton.node import Node

log = structlog.get_logger("baton.worker")

EXIT_TIME = 0.9  # seconds after the grace, or for the interpreter to end by itself, if it is sooner
NOTICE = 0.05  # seconds before that to say why


class Stop:
    """Tells a node to stop, on behalf of signals and of a parent, and sees to it that it ends.

    User code may go on when it is cancelled, and close things for as long as it likes. A process
    that does not end in time by itself ends as in a crash, of which nothing is lost either.
    """

    def __init__(self, node: Node, grace: float, last_resort: "LastResort") -> None:
        self._node = node
        self._grace = grace
        self._last_resort = last_resort
        self._draining = False
        self._signalled = False
        self._counted = 0

    def count_signal(self) -> None:
        """Begin the time that a signal leaves; from any thread, whatever the event loop does.

        User code may block it, and a busy machine keep it from its turn.
        """
        self._counted += 1
        self._end_within(self._grace if self._counted == 1 else 0)

    def hear_signal(self) -> None:
        """Finish what is in hand; at the second signal, end without the grace.

        A first signal after the parent's word means the same: systemd signals both.
        """
        if self._signalled:
            self.force()
        self._signalled = True
        self.drain()

    def drain(self) -> None:
        """Finish what is in hand."""
        if not self._draining:
            self._draining = True
            self._node.stop()

    def force(self) -> None:
        """End without the grace."""
        self.drain()
        self._node.stop()

    def obey(self, leash: Leash) -> None:
        """Do what the parent says, and end soon after it."""
        loop = asyncio.get_running_loop()

        def call(function: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(function)

        # the time begins here, also when user code blocks the event loop
        def drain() -> None:
            call(self.drain)
            self._end_within(self._grace)

        def force() -> None:
            call(self.force)
            self._end_within(0)

        def orphaned() -> None:
            log.warning("parent.lost")
            drain()

        leash.watch(drain=drain, force=force, orphaned=orphaned)

    def _end_within(self, grace: float) -> None:
        self._last_resort.arm(grace + EXIT_TIME, ExitCode.UNFINISHED)


def ignore_signals() -> None:
    """Let no signal that comes late, after everything has ended, decide on the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


async def watch_signals(
    stop: Callable[[], None], at_once: Callable[[], None] | None = None
) -> None:
    """Call a function for each signal when the event loop gets to it, and another one before."""
    heard = contextlib.nullcontext() if at_once is None else _heard(at_once)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, heard:
        async for _ in signals:
            stop()


@contextlib.contextmanager
def _heard(call: Callable[[], None]) -> Iterator[None]:
    """Call a function for each signal, in a thread of its own.

    Python lets a handler interrupt the main thread anywhere, in a lock that it would need itself,
    so it rings a bell and does nothing else. The event loop has set it up to be woken as well.
    """
    bell, ear = socket.socketpair()
    bell.setblocking(False)

    def ring(_number: int, _frame: object) -> None:
        with contextlib.suppress(OSError):
            bell.send(b"!")

    def listen() -> None:
        with ear:
            while ear.recv(1):
                call()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ring)
    threading.Thread(target=listen, name="baton signals", daemon=True).start()
    try:
        yield
    finally:
        bell.close()


class LastResort:
    """Ends the process by force, at the earliest time that was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = math.inf
        self._timers: list[threading.Timer] = []

    def arm(self, seconds: float, code: ExitCode, *, silent: bool = False) -> None:
        """Be done in so many seconds; a log whose reader stands still does not prevent it.

        From any thread.
        """
        with self._lock:
            self._at = min(self._at, monotonic() + seconds)
            for timer in self._timers:
                timer.cancel()
            left = self._at - monotonic()
            self._timers = [threading.Timer(left, os._exit, (int(code),))]
            if not silent:
                self._timers.append(threading.Timer(left - NOTICE, self._say))
            for timer in self._timers:
                timer.daemon = True
                timer.start()

    def _say(self) -> None:
        log.warning("worker.cut_short")
