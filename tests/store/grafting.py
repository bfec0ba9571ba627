"""A step that returns steps, played by hand."""

from baton.jobs import Job
from baton.outcomes import Ack, Grafting, Success, concluded, settle
from baton.store.claims import Claim
from baton.store.grafts import written
from baton.workflows import Graft
from tests.support import connection


async def complete_with(database: str, job: Job, graft: Graft, result: str | None = None) -> None:
    """Complete a step with what it returned, as its process does before it acknowledges."""
    assert isinstance(job.claim, Claim)
    plan = written(graft, limit=1_000_000, parent=job.step_name)
    async with connection(database) as conn:
        await job.claim.complete_with(job, conn, Grafting(plan, result))


def completed_ack(job: Job) -> Ack:
    """What the process acknowledges after that."""
    return settle(job, concluded(job, Success()))
