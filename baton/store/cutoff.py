"""The end of all waiting for a database, for a process that has no time left.

Statements run in shielded scopes, and a server that is frozen, or behind a cable that was pulled,
answers none for as long as TCP has patience. So every connection that is opened within a context is
known here, and whoever waits for one gets an error as if the server had ended it. What a statement
did is as unknown as after a crash, and found the same way.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Self
from weakref import WeakSet

import psycopg
from anyio import CancelScope
from psycopg import AsyncConnection

from baton.errors import DatabaseUnavailable

_current: ContextVar["Cutoff | None"] = ContextVar("cutoff", default=None)


class Cutoff:
    """Cuts what the tasks within its context have opened, and are opening."""

    def __init__(self) -> None:
        self._opening: set[CancelScope] = set()
        self._open: WeakSet[AsyncConnection[Any]] = WeakSet()
        self._cut = False

    @contextmanager
    def applied(self) -> Iterator[Self]:
        """Know what is opened in this block, and by the tasks that begin in it."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    def cut(self) -> None:
        """End every statement and every attempt to connect, now and from now on."""
        self._cut = True
        for scope in self._opening:
            scope.cancel()
        for conn in self._open:
            _shut(conn)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Open a connection in this block: shielded from all cancellation but the cut.

        Raises:
            DatabaseUnavailable: the cut came before the end of the block.
        """
        if not self._cut:
            with CancelScope(shield=True) as scope:
                self._opening.add(scope)
                try:
                    yield
                finally:
                    self._opening.discard(scope)
            if not scope.cancelled_caught:
                return
        raise DatabaseUnavailable("this process ends, and waits for no database any longer")

    def know(self, conn: AsyncConnection[Any]) -> None:
        """Cut this connection too."""
        self._open.add(conn)


def current() -> Cutoff:
    """Return the one of this context; outside of any, one that nobody cuts."""
    return _current.get() or Cutoff()


def _shut(conn: AsyncConnection[Any]) -> None:
    """Make whoever waits for a connection read its end; only they may close it."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(conn.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)
