"""What becomes of steps that a worker returns to be added to its workflow."""

from collections.abc import Awaitable, Callable

from baton.errors import DatabaseUnavailable, NotAStep
from baton.jobs import Job
from baton.outcomes import Grafting, encode_result
from baton.store.claims import Claim
from baton.store.grafts import written
from baton.store.pools import Database
from baton.workers import Registry
from baton.workflows import Graft

MAX_ARGS_BYTES = 1_048_576
Completer = Callable[[Job, Grafting], Awaitable[None]]


def grafting(
    registry: Registry, job: Job, graft: Graft, *, max_args_bytes: int, max_result_bytes: int | None
) -> Grafting:
    """Return the outcome of an attempt whose worker returned steps.

    Args:
        registry: whose hooks apply to their jobs.
        job: the step.
        graft: what its worker returned.
        max_args_bytes: the largest arguments of a job.
        max_result_bytes: the largest result of a step; ``None`` where a keeper decides.

    Raises:
        NotAStep: the job is not a step of a workflow.
        InvalidWorkflow, InvalidJob, InvalidResult: something can't be stored.
    """
    if job.step is None:
        raise NotAStep(job.worker)
    result = None if graft.result is None else encode_result(graft.result, max_result_bytes)
    plan = written(graft.checked(registry), limit=max_args_bytes, parent=job.step.name)
    return Grafting(plan, result)


async def refuse(_job: Job, _grafting: Grafting) -> None:
    """Complete nothing: there is no database here.

    Raises:
        DatabaseUnavailable: always.
    """
    raise DatabaseUnavailable("there is no database to add the steps to")


def completer(database: Database) -> Completer:
    """Return what adds such steps and completes their job, in one transaction.

    An acknowledgement that the database refuses would take the others of its cycle with it; so this
    is done before, and the job is acknowledged like one that its worker has completed.
    """

    async def complete(job: Job, grafting: Grafting) -> None:
        if not isinstance(job.claim, Claim):
            raise NotAStep(job.worker)
        async with database.connection() as conn:
            await job.claim.complete_with(job, conn, grafting)

    return complete
