"""What ties a worker process to the parent that supervises it: a socket, a byte for a word.

A word and not a signal, because systemd and terminals send signals to parents and children alike: a
child that heard SIGTERM from both would take the second for "at once". The end of the socket is the
end of the parent, however it came.
"""

import os
import socket
import threading
from collections.abc import Callable
from typing import Self

VARIABLE = "BATON_SUPERVISED"  # the number of the socket's file descriptor, and the child's place

DRAIN = b"d"  # finish what is in hand within the grace, and end
FORCE = b"f"  # end without the grace
READY = b"r"  # the child's: it works


class Leash:
    """The child's end.

    Args:
        end: its half of the pair of sockets.
        place: its number among the children, from 1 on.
    """

    def __init__(self, end: socket.socket, place: int = 1) -> None:
        self._end = end
        self.place = place

    @classmethod
    def found(cls) -> Self | None:
        """Return the leash that this process was started with, if it was; once."""
        # not for the processes that jobs start
        number, _, place = os.environ.pop(VARIABLE, "").partition(":")
        if not number.isdecimal() or not place.isdecimal():
            return None
        end = socket.socket(fileno=int(number))
        end.set_inheritable(False)
        return cls(end, int(place))

    def ready(self) -> None:
        """Tell the parent that this process works."""
        try:
            self._end.send(READY)
        except OSError:
            return  # the parent is gone; `watch` finds that out by itself

    def watch(
        self,
        *,
        drain: Callable[[], None],
        force: Callable[[], None],
        orphaned: Callable[[], None],
    ) -> None:
        """Call functions, in a thread of their own, when the parent says so, or is gone."""

        def listen() -> None:
            while word := self._heard():
                (force if word == FORCE else drain)()
            orphaned()

        threading.Thread(target=listen, name="baton leash", daemon=True).start()

    def _heard(self) -> bytes:
        try:
            return self._end.recv(1)
        except OSError:
            return b""
