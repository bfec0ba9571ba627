"""Ports that nobody uses."""

import random
import socket
from contextlib import suppress

# Below those that Linux hands out by itself: a server binds later, and again after each crash, and
# until then any connection of this machine could be given one of the others.
RANGE = range(12_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Return so many different ports of this machine on which nobody listens."""
    free: list[int] = []
    for port in random.SystemRandom().sample(RANGE, k=len(RANGE)):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("", port))
            free.append(port)
        if len(free) == count:
            break
    return free
