"""Network namespaces: a machine of its own for a worker process, whose cable can be pulled.

Only root may make them. Packets are really lost there, with no proxy to acknowledge them: a
half-open connection as it is between machines.
"""

import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

PREFIX = "batonchaos"


def missing() -> str | None:
    """Why there are no network namespaces here, or ``None``."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the program ip is not installed"
    made = _ip("netns", "add", f"{PREFIX}try{os.getpid()}", check=False)
    _ip("netns", "del", f"{PREFIX}try{os.getpid()}", check=False)
    return None if made else "this machine does not let root make network namespaces"


class Namespace:
    """A namespace, joined to this machine by a pair of virtual devices."""

    _numbers = count(os.getpid() % 200 * 64)

    def __init__(self) -> None:
        self._remove_old()
        number = next(self._numbers) % 16_000
        base = f"10.213.{number >> 6}"
        self.address = f"{base}.{(number % 64) * 4 + 1}"
        self._theirs = f"{base}.{(number % 64) * 4 + 2}"
        self.name = f"{PREFIX}{os.getpid()}n{number}"
        self._device = f"bc{os.getpid() % 100_000}n{number % 1000}"
        self.create()

    def create(self) -> None:
        inner = f"{self._device}i"
        _ip("netns", "add", self.name)
        _ip("link", "add", self._device, "type", "veth", "peer", "name", inner, "netns", self.name)
        _ip("addr", "add", f"{self.address}/30", "dev", self._device)
        _ip("link", "set", self._device, "up")
        _ip("-n", self.name, "addr", "add", f"{self._theirs}/30", "dev", inner)
        _ip("-n", self.name, "link", "set", inner, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")

    def plug(self, *, up: bool) -> None:
        """Pull the cable, or put it back."""
        _ip("link", "set", self._device, "up" if up else "down")

    def remove(self) -> None:
        """Let the machine vanish; its processes must be dead."""
        _ip("link", "del", self._device, check=False)
        _ip("netns", "del", self.name, check=False)

    def _remove_old(self) -> None:
        """Remove what runs that were killed have left."""
        for path in Path("/run/netns").glob(f"{PREFIX}*n*"):
            owner = path.name.removeprefix(PREFIX).partition("n")[0]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                _ip("netns", "del", path.name, check=False)


def _ip(*words: str, check: bool = True) -> bool:
    ended = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if check and ended.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {ended.stderr.strip()}")
    return ended.returncode == 0
