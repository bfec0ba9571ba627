"""The workers that the benchmarks run; `baton worker --app benchmarks.workers`."""

import os
import time
from pathlib import Path

from baton import Job, worker

LATENCIES = os.environ.get("BENCHMARK_LATENCIES")


@worker()
async def nothing(_job: Job) -> None:
    """A job that costs only what the queue costs."""


@worker()
async def step(_job: Job) -> None:
    """A step that returns nothing."""


@worker()
async def stamp(_job: Job, sent: float) -> None:
    """Write down how long ago the insert was called, by the machine's own clock."""
    late = time.clock_gettime(time.CLOCK_MONOTONIC) - sent
    if LATENCIES is not None:
        with Path(LATENCIES).open("a") as file:
            file.write(f"{late}\n")
