"""What happens to worker processes."""

import asyncio
import signal
import time
from collections.abc import Mapping
from random import Random
from typing import Any

from tests.chaos.faults.kind import Arena, fault, pick
from tests.chaos.fleet import TTL


@fault("processes")
async def kill(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """``kill -9``, and a new process a while later."""
    down = draw.choice((0.0, 0.0, draw.uniform(0.5, 4)))
    worker = await pick(arena, draw, namespaced=None)
    if worker is None:
        return None
    pid = worker.pid
    at = time.time()
    worker.signal(signal.SIGKILL)
    await worker.ended()
    await asyncio.sleep(down)
    arena.fleet.start(worker)
    worker.busy = False
    return {"pid": pid, "killed": at}


@fault("processes")
async def freeze(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """``SIGSTOP`` for longer than the lease, and a zombie wakes up."""
    seconds = TTL + draw.uniform(0.5, 3)
    return await _stopped(arena, draw, seconds)


@fault("processes")
async def blink(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """``SIGSTOP`` for less than the lease: nothing is to be lost."""
    return await _stopped(arena, draw, draw.uniform(0.2, TTL * 0.6))


async def _stopped(arena: Arena, draw: Random, seconds: float) -> Mapping[str, Any] | None:
    worker = await pick(arena, draw)
    if worker is None:
        return None
    pid = worker.pid
    worker.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        worker.signal(signal.SIGCONT)
        worker.busy = False
    return {"pid": pid, "worker": worker.number, "seconds": round(seconds, 2)}


@fault("processes")
async def sigterm(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """An orderly end under load; `checkers.stops` says what that is."""
    worker = await pick(arena, draw)
    if worker is None:
        return None
    at, pid = time.time(), worker.pid
    worker.signal(signal.SIGTERM)
    try:
        code: int | None = await asyncio.wait_for(worker.ended(), 30)
    except TimeoutError:
        code = None
    seconds = time.time() - at
    if code is None:
        worker.signal(signal.SIGKILL)
        await worker.ended()
    arena.fleet.start(worker)
    worker.busy = False
    return {"pid": pid, "worker": worker.number, "seconds": seconds, "code": code}
