"""A small disk for the servers' data, which can be filled. Only root may mount one."""

import os
import subprocess
import tempfile
from pathlib import Path

SIZE = 900  # MiB
GROWTH = 0.7  # MiB a second: nothing is deleted in a run, and both servers have it all


def missing() -> str | None:
    """Why there is no small disk here, or ``None``."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    with tempfile.TemporaryDirectory() as place:
        if not _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place):
            return "this machine does not let root mount a tmpfs"
        _run("umount", place)
    return None


class SmallDisk:
    """A file system in memory, at a directory, with room for a run of some seconds."""

    def __init__(self, place: Path, seconds: float) -> None:
        self.place = place
        options = f"size={SIZE + GROWTH * seconds:.0f}m,mode=755"
        if not _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)):
            raise RuntimeError(f"{place} can't be mounted")
        self._filler = place / "filler"

    def fill(self) -> None:
        """Take every byte that is left."""
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 1_048_576)
            except OSError:
                pass
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        _run("umount", "-l", str(self.place))


def _run(*words: str) -> bool:
    return subprocess.run(words, check=False, capture_output=True).returncode == 0
