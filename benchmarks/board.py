"""What jobs write and the benchmark reads: a file of numbers that all processes map.

A look at it costs nobody anything, and what was written survives a SIGKILL. Times are of the
machine's one monotonic clock. This module needs nothing but the standard library, because the
jobs of every peer import it into environments of their own.

The file holds doubles: whether to go; per worker process whether it is ready, how many jobs it
began and when the first one; then per job how often it began, and a time.
"""

import mmap
import os
import threading
import time
from pathlib import Path
from typing import Any, Self

PLACES = 64  # worker processes at most
GO = 0
HEADER = 1 + 3 * PLACES


def now() -> float:
    """Seconds of the clock that all processes of the machine share."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class Board:
    """The whole of it, for the benchmark."""

    def __init__(self, path: Path, *, jobs: int) -> None:
        self.path = path
        self.jobs = jobs
        path.write_bytes(bytes(8 * (HEADER + 2 * jobs)))
        self._numbers = _mapped(path)

    def go(self) -> None:
        self._numbers[GO] = 1

    def ready(self) -> int:
        """How many worker processes have loaded their code."""
        return sum(self._numbers[1 + 3 * place] > 0 for place in range(PLACES))

    def begun(self) -> int:
        """How many jobs have begun, those that began twice counted twice."""
        return int(sum(self._numbers[2 + 3 * place] for place in range(PLACES)))

    def began(self) -> float:
        """When the first job began."""
        firsts = (float(self._numbers[3 + 3 * place]) for place in range(PLACES))
        return min(first for first in firsts if first)

    def runs(self) -> list[int]:
        """How often each job began."""
        return [int(number) for number in self._numbers[HEADER::2]]

    def forget(self) -> None:
        """Forget the jobs so far; the worker processes stay counted."""
        for index in range(HEADER, HEADER + 2 * self.jobs):
            self._numbers[index] = 0

    def values(self) -> list[float]:
        """What each job wrote down: a time, or how late it was."""
        return list(self._numbers[HEADER + 1 :: 2])


class Place:
    """The part of one worker process."""

    def __init__(self, path: Path, place: int) -> None:
        self._numbers = _mapped(path)
        self._ready, self._count, self._first = (1 + 3 * place + each for each in range(3))
        self._lock = threading.Lock()  # some peers run jobs in threads

    @classmethod
    def mine(cls) -> Self:
        """The place that the benchmark gave to this process."""
        return cls(Path(os.environ["BENCHMARK_BOARD"]), int(os.environ["BENCHMARK_PLACE"]))

    def wait(self) -> None:
        """Say that the code is loaded, and wait for the others."""
        self._numbers[self._ready] = 1
        while not self._numbers[GO]:
            time.sleep(0.001)

    def nothing(self) -> None:
        """Begin a job that does nothing."""
        with self._lock:
            if not self._numbers[self._count]:
                self._numbers[self._first] = now()
            self._numbers[self._count] += 1

    def mark(self, number: int) -> None:
        """Begin a job that is counted by itself, and write down when."""
        began = now()
        self.nothing()
        with self._lock:
            self._numbers[HEADER + 2 * number] += 1
            self._numbers[HEADER + 2 * number + 1] = began

    def stamp(self, number: int, sent: float) -> None:
        """Begin a job that writes down how long ago its insert was called."""
        late = now() - sent
        self.nothing()
        with self._lock:
            self._numbers[HEADER + 2 * number] += 1
            self._numbers[HEADER + 2 * number + 1] = late


def _mapped(path: Path) -> Any:
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
