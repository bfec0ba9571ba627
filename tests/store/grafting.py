"""Steps that add steps, played by hand."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from baton.jobs import Job
from baton.outcomes import Ack, Grafting, Success, concluded, settle
from baton.store import door
from baton.store.claims import Claim
from baton.store.grafts import refusals, written
from baton.workflows import Graft
from tests.support import Process, connection, value

SWEEP = "select swept from baton.sweep_releases(0, 0, 100)"


async def sweep(database: str) -> None:
    """Sweep until nothing follows any more."""
    while await value(database, SWEEP):
        pass


async def complete_over(
    conn: AsyncConnection[Any], job: Job, graft: Graft, result: str | None = None
) -> None:
    """Complete a step with what it returned, as its process does before it acknowledges."""
    assert isinstance(job.claim, Claim)
    plan = written(graft, limit=1_000_000, parent=job.step_name)
    await job.claim.complete_with(job, conn, Grafting(plan, result))


async def complete_with(database: str, job: Job, graft: Graft, result: str | None = None) -> None:
    async with connection(database) as conn:
        await complete_over(conn, job, graft, result)


def completed_ack(job: Job) -> Ack:
    """What the process acknowledges after that."""
    return settle(job, concluded(job, Success()))


async def returns(
    database: str, worker: Process, job: Job, graft: Graft, result: str | None = None
) -> Sequence[Job]:
    """Let a step return a graft; what can be fetched then."""
    await complete_with(database, job, graft, result)
    ack = completed_ack(job)
    return (await worker.cycles.cycle(worker.lease, [ack], {"default": 100})).jobs


async def graft_over(conn: AsyncConnection[Any], job: Job, graft: Graft) -> None:
    """Add steps on behalf of a step that goes on."""
    assert isinstance(job.claim, Claim)
    params = {**job.claim.fence(job), "plan": written(graft, limit=1_000_000)}
    with refusals(), job.claim.fenced(job):
        await door.run(conn, "baton", "job_graft", params)


def names(jobs: Sequence[Job]) -> list[str | None]:
    return [each.step_name for each in jobs]
