"""The workers of the soak; each process says ten times a second how it is, and what it did."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from baton import Job, Registry

registry = Registry()
performed: Counter[str] = Counter()


def _say() -> None:
    place = Path(os.environ["SOAK_DIRECTORY"]) / f"{os.getpid()}.json"
    said = {"tasks": len(asyncio.all_tasks()), "performed": dict(performed)}
    draft = place.with_suffix(".draft")
    draft.write_text(json.dumps(said))
    draft.replace(place)


async def _say_again_and_again() -> None:
    while True:
        _say()
        await asyncio.sleep(0.1)


@registry.lifespan
@asynccontextmanager
async def reporting() -> AsyncIterator[None]:
    task = asyncio.create_task(_say_again_and_again())
    yield
    task.cancel()
    _say()


@registry.worker(name="soak.quick")
async def quick(_job: Job, n: int = 0) -> None:
    performed["soak.quick"] += 1


@registry.worker(name="soak.waits")
async def waits(_job: Job, n: int = 0) -> dict[str, int]:
    await asyncio.sleep(0.002)
    performed["soak.waits"] += 1
    return {"at": performed["soak.waits"]}


@registry.worker(name="soak.threaded")
def threaded(_job: Job, n: int = 0) -> None:
    performed["soak.threaded"] += 1


@registry.worker(name="soak.fails_once", backoff=lambda _job, _error: 0)
async def fails_once(job: Job, n: int = 0) -> None:
    performed["soak.fails_once"] += 1
    if job.attempt == 1:
        raise RuntimeError("x" * 1_000)
