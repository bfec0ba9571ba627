"""What happens between processes and the server."""

import asyncio
import signal
import time
from collections.abc import Mapping
from random import Random
from typing import Any

import psycopg

from tests.chaos import network
from tests.chaos.faults.kind import Arena, fault, pick
from tests.chaos.fleet import TTL, Worker
from tests.chaos.generator import LONGEST
from tests.chaos.proxy import Link

# what a process has begun not long ago, that lasts longer than a lease
LONG_JOB = """
select job.id from baton.jobs as job
join baton.leases as lease on lease.id = job.attempted_by
where lease.node like '%%:' || %(pid)s and job.state = 'executing' and job.queue = 'slow'
order by job.attempted_at desc limit 1
"""
ELSEWHERE = """
select job.id from baton.jobs as job
join baton.leases as lease on lease.id = job.attempted_by
where lease.node not like '%%:' || %(pid)s and job.state = 'executing' and job.id = %(job)s
"""


@fault("links")
async def cut(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """All connections of one process are reset, and for a while new ones as well."""
    link = draw.choice(arena.links())
    seconds = draw.choice((0.0, 0.5, draw.uniform(1, TTL + 3)))
    link.refuse(on=seconds > 0)
    connections = link.cut()
    await asyncio.sleep(seconds)
    link.refuse(on=False)
    return {
        "worker": _behind(arena, link),
        "connections": connections,
        "seconds": round(seconds, 2),
    }


def _behind(arena: Arena, link: Link) -> int:
    """Return which place for a worker process a link leads to; -1 for none."""
    return next((worker.number for worker in arena.fleet.workers if worker.link is link), -1)


def _away(worker: Worker, at: float, seconds: float) -> dict[str, Any]:
    """Return what is known of a process that was cut off from then on for so long."""
    return {"pid": worker.pid, "worker": worker.number, "from": at, "seconds": round(seconds, 2)}


@fault("links")
async def half_open(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """Nothing is forwarded any more, and nobody is told; in the end the connections are reset."""
    seconds = draw.uniform(0.5, TTL + 5)
    worker = await pick(arena, draw)
    if worker is None or worker.link is None:
        return None
    at = time.time()
    worker.link.hold(on=True)
    try:
        await asyncio.sleep(seconds)
    finally:
        worker.link.cut()
        worker.link.hold(on=False)
        worker.busy = False
    return _away(worker, at, seconds)


@fault("links")
async def late(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """The end of a long attempt arrives when somebody else performs the job."""
    worker = await pick(arena, draw)
    if worker is None or worker.link is None:
        return None
    at, lost = 0.0, False
    try:
        job = await _asked(arena, LONG_JOB, {"pid": worker.pid})
        if job is None:
            return None
        reached = worker.link.hold_at(job)
        async with asyncio.timeout(LONGEST + 1):
            await reached.wait()
        at = time.time()
        async with asyncio.timeout(TTL + LONGEST):
            while not lost:
                await asyncio.sleep(0.1)
                lost = bool(await _asked(arena, ELSEWHERE, {"pid": worker.pid, "job": job}))
    except TimeoutError:  # it was cancelled, or nobody has a place for it
        if not at:
            return None
    finally:
        worker.link.hold(on=False)
        worker.busy = False
    return {**_away(worker, at, time.time() - at), "lost": lost}


async def _asked(arena: Arena, query: str, params: Mapping[str, Any]) -> int | None:
    """Return the number that a query finds; ``None`` for none, or if the server is away."""

    def ask() -> int | None:
        with arena.servers.primary.connect() as conn:
            found = conn.execute(query.encode(), params).fetchone()
            return None if found is None else int(found[0])

    try:
        return await asyncio.to_thread(ask)
    except psycopg.Error:
        return None


@fault("links")
async def lost_reply(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """Statements commit, and their replies are lost together with the connection."""
    link = draw.choice(arena.links())
    before, wanted = link.lost, draw.randint(1, 4)
    link.lose_replies(wanted)
    for _ in range(30):
        await asyncio.sleep(0.1)
        if link.lost >= before + wanted:
            break
    link.lose_replies(0)
    return {"worker": _behind(arena, link), "lost": link.lost - before}


@fault("links")
async def slow_link(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """Every packet of one process takes its time."""
    link = draw.choice(arena.links())
    link.slow(draw.uniform(0.01, 0.08))
    await asyncio.sleep(draw.uniform(1, 4))
    link.slow(0)
    return {"worker": _behind(arena, link)}


@fault("links")
async def backends(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """Sessions are ended on the server, that of a listener among them."""
    number = draw.randint(1, 6)

    def terminate() -> list[str]:
        with arena.servers.primary.connect() as conn:
            found = conn.execute(
                "select application_name, pid from pg_stat_activity "
                "where application_name like 'baton%' or application_name = '' "
                "order by (application_name = 'baton listen') desc, pid"
            ).fetchall()
            listeners = [row for row in found if row[0] == "baton listen"][:1]
            chosen = listeners + draw.sample(found, min(number, len(found)))
            for _, pid in chosen:
                conn.execute("select pg_terminate_backend(%s)", [pid])
            return sorted({str(name) for name, _ in chosen})

    try:
        return {"sessions": await asyncio.to_thread(terminate)}
    except psycopg.Error:
        return None  # the server is down just now


@fault("links", network.missing)
async def unplug(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """The cable of a machine is pulled: packets are lost, and nobody is told."""
    seconds = draw.uniform(1, TTL + 5)
    worker = await pick(arena, draw, namespaced=True)
    if worker is None:
        return None
    at, namespace = time.time(), arena.namespaces[worker.number]
    namespace.plug(up=False)
    try:
        await asyncio.sleep(seconds)
    finally:
        namespace.plug(up=True)
        worker.busy = False
    return _away(worker, at, seconds)


@fault("links", network.missing)
async def vanish(arena: Arena, draw: Random) -> Mapping[str, Any] | None:
    """A machine is gone: no packet says that its connections are."""
    worker = await pick(arena, draw, namespaced=True)
    if worker is None:
        return None
    at, pid, namespace = time.time(), worker.pid, arena.namespaces[worker.number]
    namespace.plug(up=False)
    worker.signal(signal.SIGKILL)
    await worker.ended()
    namespace.remove()
    await asyncio.sleep(draw.uniform(0, 3))
    namespace.create()
    arena.fleet.start(worker)
    worker.busy = False
    return {"pid": pid, "from": at, "seconds": TTL + 1}
