"""What processes write down: a JSON object a line, appended to a file that is theirs alone.

A write is one call of the system, so a process that is killed leaves whole lines behind; the page
cache outlives it, and nothing is waited for.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

ENDING = ".jsonl"


class Journal:
    """The file of one process.

    Args:
        directory: of all journals of a run.
        name: of the file; the process id is added to it.
    """

    def __init__(self, directory: Path, name: str) -> None:
        path = directory / f"{name}-{os.getpid()}{ENDING}"
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

    def write(self, kind: str, **facts: Any) -> float:
        """Append a line; return the time that it bears, in seconds since 1970."""
        now = time.time()
        line = json.dumps({"at": now, "kind": kind, "pid": os.getpid(), **facts})
        os.write(self._file, line.encode() + b"\n")
        return now

    def close(self) -> None:
        os.close(self._file)


def read(directory: Path, name: str = "") -> list[dict[str, Any]]:
    """Return the lines of all journals whose names begin so, in the order of their times."""
    lines: list[dict[str, Any]] = []
    for path in directory.glob(f"{name}*{ENDING}"):
        lines += [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return sorted(lines, key=lambda line: float(line["at"]))
