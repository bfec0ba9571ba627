"""The workers that Baton runs in the benchmarks, the `--app` of its worker processes.

Imported by a worker process, it waits until all of them are loaded.
"""

import os

from baton import Job, worker
from benchmarks.board import Place

place = Place.mine() if "BENCHMARK_BOARD" in os.environ else None


@worker()
async def nothing(_job: Job) -> None:
    assert place is not None
    place.nothing()


@worker()
async def mark(_job: Job, number: int) -> None:
    assert place is not None
    place.mark(number)


@worker()
async def stamp(_job: Job, number: int, sent: float) -> None:
    assert place is not None
    place.stamp(number, sent)


if place is not None:
    place.wait()
