"""What many tests need: worker processes played by hand, and looks into the tables."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from baton.client import Client
from baton.jobs import Job, NewJob
from baton.outcomes import Ack
from baton.states import State
from baton.store import dsns
from baton.store.cycles import CycleConnection
from baton.store.leases import LeaseConnection


def job(worker: str = "tests.worker", **options: Any) -> NewJob:
    return NewJob(worker=worker, **options)


def done(job: Job, result: str | None = None) -> Ack:
    return ended(job, State.COMPLETED, result=result)


def ended(job: Job, state: State, **facts: Any) -> Ack:
    return Ack(id=job.id, epoch=job.epoch, state=state, step=job.step is not None, **facts)


class Process:
    """A worker process reduced to its lease and its cycles; tests decide what its jobs come to."""

    def __init__(self, cycles: CycleConnection, lease: LeaseConnection, lease_id: int) -> None:
        self.cycles = cycles
        self.lease_connection = lease
        self.lease = lease_id

    async def fetch(self, capacity: int = 1, queue: str = "default") -> Sequence[Job]:
        return (await self.cycles.cycle(self.lease, [], {queue: capacity})).jobs

    async def acknowledge(self, *acks: Ack) -> frozenset[int]:
        return (await self.cycles.cycle(self.lease, acks, {})).accepted

    async def complete(self, *jobs: Job, capacity: int = 0) -> Sequence[Job]:
        """Complete jobs and, in the same cycle, fetch."""
        capacities = {"default": capacity} if capacity else {}
        acks = [done(each) for each in jobs]
        return (await self.cycles.cycle(self.lease, acks, capacities)).jobs

    async def run_all(self, capacity: int = 10) -> int:
        """Complete everything that becomes available; return how many jobs that was."""
        count = 0
        jobs = await self.fetch(capacity)
        while jobs:
            count += len(jobs)
            jobs = await self.complete(*jobs, capacity=capacity)
        return count


@asynccontextmanager
async def process(dsn: str, *, ttl: float = 3_600.0) -> AsyncIterator[Process]:
    """One whose lease nobody renews: it outlasts the test, however slow the machine is."""
    cycles = CycleConnection(dsn, "baton", timeout=30)
    lease = LeaseConnection(dsn, "baton", ttl=ttl, timeout=30)
    try:
        await cycles.connect()
        yield Process(cycles, lease, lease.acquire("tests", {"default": 10}))
    finally:
        await cycles.close()
        lease.close()


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator[AsyncConnection[Any]]:
    conn = await AsyncConnection.connect(dsns.conninfo(dsn), autocommit=True, row_factory=tuple_row)
    try:
        yield conn
    finally:
        await conn.close()


async def rows(dsn: str, query: str, *params: Any) -> list[tuple[Any, ...]]:
    async with connection(dsn) as conn:
        return await (await conn.execute(query.encode(), params or None)).fetchall()


async def value(dsn: str, query: str, *params: Any) -> Any:
    [(found,)] = await rows(dsn, query, *params)
    return found


async def states(dsn: str) -> dict[str, str]:
    """The state of every step, by name."""
    found = await rows(dsn, "select step_name, state from baton.workflow_nodes")
    return {str(name): str(state) for name, state in found}


async def heard(listener: AsyncConnection[Any]) -> list[str]:
    """What a session that listens is told of all that has been committed, in its order."""
    end = uuid4().hex
    await listener.execute(f'listen "{end}"; notify "{end}"'.encode())
    payloads: list[str] = []
    async with aclosing(listener.notifies(timeout=60)) as notes:
        async for note in notes:
            if note.channel == end:
                return payloads
            payloads.append(note.payload)
    raise AssertionError("the end was not told")


async def nap() -> None:
    """Pause between two looks at what others do, who need the processor for it."""
    await anyio.sleep(0.01)


async def waiters(conn: AsyncConnection[Any]) -> int:
    """How many sessions of this database wait for a lock right now."""
    query = """
      select count(*) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'
    """
    found = await (await conn.execute(query)).fetchone()
    return int(found[0]) if found else 0


async def in_turn(
    database: str, first: Callable[[Any], Awaitable[Any]], second: Callable[[], Awaitable[Any]]
) -> None:
    """Run the first in a transaction, commit it once the second waits for its lock."""
    async with connection(database) as holder, connection(database) as looking:
        async with anyio.create_task_group() as tasks:
            async with holder.transaction():
                await first(holder)
                tasks.start_soon(second)
                with anyio.fail_after(60):
                    while await waiters(looking) == 0:
                        await nap()


async def insert_in(dsn: str, client: Client, state: str = "available", **options: Any) -> Job:
    """A job in a state, put there by hand."""
    inserted = await client.insert(job(**options))
    await rows(
        dsn,
        """
        update baton.jobs as job set
          state = given.state,
          attempt = (given.state not in ('available', 'scheduled', 'suspended'))::integer,
          completed_at = case when given.state = 'completed' then now() end,
          discarded_at = case when given.state = 'discarded' then now() end,
          cancelled_at = case when given.state = 'cancelled' then now() end
        from (select %s::baton.job_state as state) as given
        where job.id = %s
        returning job.id
        """,
        state,
        inserted.id,
    )
    return inserted
