"""Reading what an answer to "why?" is based on. Nothing here locks or writes.

Each statement sees the database as it is then, so one fact may be younger than another. What is
read is bounded, however large a workflow is.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from pydantic import TypeAdapter

from baton.errors import NotFound
from baton.filters import LARGEST_ID
from baton.states import State
from baton.store import looking
from baton.store.asking import Asking, Statement
from baton.why import (
    Bunch,
    Held,
    JobFacts,
    QueueFacts,
    Reason,
    Why,
    WorkflowFacts,
    explain_job,
    explain_workflow,
)
from baton.why.queues import COUNTED

NAMED = 5  # dependencies
BUNCHES = 8  # of steps that are alike
LOOKED_AT = 5_000  # steps at each end of a workflow
LONGEST = 1_000  # steps that wait one for the other
DEEPEST = 10  # sub-workflows

_JOB = TypeAdapter(JobFacts)
_QUEUE = TypeAdapter(QueueFacts)
_WORKFLOW = TypeAdapter(WorkflowFacts)
_STARTABLE = {State.AVAILABLE, State.SCHEDULED, State.RETRYABLE}


def why(subject: UUID | str | int, step: str | None = None) -> Asking[Why]:
    """Say why a job, a workflow or a step of one is as it is.

    Args:
        subject: the id of a job, or that of a workflow, which may be its beginning.
        step: the name of a step of the workflow.

    Raises:
        NotFound: there is no such thing.
    """
    if isinstance(subject, int):
        return (yield from _job(subject))
    found = yield from looking.workflow_id(subject)
    if step is None:
        answered = yield from _workflow(found)
        if answered is None:
            raise NotFound("workflow", subject)
        return answered
    rows = yield Statement("why_step", {"id": found, "name": step})
    if not rows:
        raise NotFound(f"step {step!r} in workflow", found)
    return (yield from _job(rows[0][0]))


def _job(job_id: int, depth: int = 0) -> Asking[Why]:
    if not 0 < job_id <= LARGEST_ID:
        raise NotFound("job", job_id)
    rows = yield Statement("why_chain", {"id": job_id, "most": LONGEST})
    chain = [row[0] for row in rows]
    facts = yield from _facts({job_id, chain[-1]})
    if job_id not in facts:
        raise NotFound("job", job_id)
    because = None
    # the last one may be gone since, and so may have what it was the last one for
    if chain[-1] != job_id and chain[-1] in facts:
        because = yield from _single(facts[chain[-1]], depth)
        return explain_job(facts[job_id], because=because)
    return (yield from _single(facts[job_id], depth))


def _single(job: JobFacts, depth: int) -> Asking[Why]:
    """Explain a job by itself, or by the sub-workflow that it is."""
    inner = None
    step = job.step
    if (
        step is not None
        and step.subworkflow_id is not None
        and step.parked_at is not None
        and job.state == State.SUSPENDED
        and depth < DEEPEST
    ):
        inner = yield from _workflow(step.subworkflow_id, depth + 1)
    queue = None
    if job.state in _STARTABLE:
        rows = yield Statement("why_queue", {"id": job.id, "most": COUNTED + 1})
        queue = _QUEUE.validate_json(rows[0][0]) if rows else None
    return explain_job(job, queue, inner)


def _workflow(workflow_id: UUID, depth: int = 0) -> Asking[Why | None]:
    progress = yield from looking.progress_of(workflow_id)
    flow = yield from _look(workflow_id, LOOKED_AT)
    if flow is None or progress is None:
        return None
    unseen = progress.open and not flow.bunches and flow.suspended is None
    if unseen or (progress.failed and flow.failed is None):
        flow = (yield from _look(workflow_id, LARGEST_ID)) or flow
    held: list[Held] = []
    failure = None
    if flow.state == "executing":
        held = yield from _held(flow, depth)
    if flow.failed is not None and flow.state != "completed":
        failure = yield from _failure(flow.failed, depth)
    return explain_workflow(flow, progress, held, failure)


def _held(flow: WorkflowFacts, depth: int) -> Asking[list[Held]]:
    """Explain the steps that stand for the others."""
    facts = yield from _facts({bunch.job_id for bunch in flow.bunches})
    held = []
    for bunch in flow.bunches:
        if (job := facts.get(bunch.job_id)) is None:
            continue
        held.append(Held(bunch, (yield from _single(job, depth))))
    if not held and flow.suspended is not None:
        held = yield from _suspended(flow.suspended, depth)
    return held


def _suspended(job_id: int, depth: int) -> Asking[list[Held]]:
    """Explain what a step waits for in the end, where no step that could move was seen."""
    rows = yield Statement("why_chain", {"id": job_id, "most": LONGEST})
    [last] = [row[0] for row in rows][-1:]
    job = (yield from _facts({last})).get(last)
    if job is None or job.step is None:
        return []
    bunch = Bunch(steps=1, names=[job.step.name], job_id=job.id)
    return [Held(bunch, (yield from _single(job, depth)))]


def _failure(job_id: int, depth: int) -> Asking[Why]:
    """Explain a failure, or the one that it came from."""
    failure = yield from _job(job_id, depth)
    if failure.reason is Reason.CANCELLED and failure.because is not None:
        return failure.because
    return failure


def _facts(ids: Collection[int]) -> Asking[Mapping[int, JobFacts]]:
    rows = yield Statement("why_jobs", {"ids": sorted(ids), "most": NAMED})
    jobs = [_JOB.validate_json(row[0]) for row in rows]
    return {job.id: job for job in jobs}


def _look(workflow_id: UUID, most: int) -> Asking[WorkflowFacts | None]:
    params = {"id": workflow_id, "most": most, "bunches": BUNCHES}
    rows = yield Statement("why_workflow", params)
    return _WORKFLOW.validate_json(rows[0][0]) if rows else None
