"""What happens to the server."""

import asyncio
import time
from collections.abc import Mapping
from random import Random
from typing import Any

import psycopg

from tests.chaos import disk
from tests.chaos.faults.kind import Arena, fault


@fault("server")
async def immediate(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """``pg_ctl stop -m immediate``, and a start a while later."""
    down = draw.choice((0.0, draw.uniform(0.2, 5)))
    await asyncio.to_thread(arena.servers.primary.crash)
    at = time.time()
    await asyncio.sleep(down)
    back = await asyncio.to_thread(arena.servers.primary.start)
    return {"down": at, "back": back}


@fault("server")
async def held(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """A transaction stays open, with a snapshot and with rows of jobs locked."""
    seconds = draw.uniform(1, 6)
    state = draw.choice(("suspended", "available", "executing", "scheduled"))

    def hold() -> int:
        with psycopg.connect(arena.servers.dsn(), connect_timeout=3) as conn:
            conn.execute("set transaction isolation level repeatable read")
            locked = conn.execute(
                "select id from baton.jobs where state = %s order by id desc limit 3 "
                "for update skip locked",
                [state],
            ).fetchall()
            time.sleep(seconds)
            return len(locked)

    try:
        return {"state": state, "rows": await asyncio.to_thread(hold)}
    except psycopg.Error as error:
        return {"state": state, "ended": str(error).splitlines()[0]}


@fault("server")
async def promote(arena: Arena, _: Random) -> Mapping[str, Any] | None:
    """The primary crashes for good, its standby is promoted, and gets a standby of its own."""
    back = await asyncio.to_thread(arena.servers.fail_over)
    await asyncio.to_thread(arena.servers.follow)
    return {"back": back}


@fault("server", disk.missing)
async def disk_full(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """The disk of the data has no byte left for some seconds."""
    assert arena.small_disk is not None
    await asyncio.to_thread(arena.small_disk.fill)
    await asyncio.sleep(draw.uniform(1, 5))
    arena.small_disk.free()
    await asyncio.sleep(0.5)  # a server that could not go on has ended by now
    back = await asyncio.to_thread(arena.servers.heal)
    return {"back": back}
