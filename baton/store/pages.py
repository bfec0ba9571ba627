"""What the live page shows beside what clients tell. Looks are bounded; nothing is locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from baton.filters import LARGEST_ID
from baton.search import JobSearch
from baton.store import matching
from baton.store.pools import Database
from baton.store.rows import document

COUNTED = 20_000  # jobs that are counted one by one
LOOKED_AT = 20_000  # jobs in which rates are looked for
EARLIER = 2_000  # workflows among which those of the same name are looked for
STEPS = 20_000  # of earlier runs
TRIES = 50  # attempts of a step that the timeline tells apart
SHOWN = 200_000  # characters of a captured document, or one that a signal brought
EVERY = JobSearch()


@dataclass(frozen=True, slots=True)
class Totals:
    """How many jobs there are, by state; estimates unless ``exact``."""

    exact: bool
    jobs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rate:
    """What ended within a short time.

    Attributes:
        begins_at: when that time begins.
        completed, discarded: how many jobs did.
        ran_p50, ran_p95: seconds that their last attempts took.
        waited_p50, waited_p95: seconds from when a job was due to when it was started.
    """

    begins_at: datetime
    completed: int
    discarded: int
    ran_p50: float | None
    ran_p95: float | None
    waited_p50: float | None
    waited_p95: float | None


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt: when it was due, when it was claimed, and when it was over."""

    due: datetime
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Attempts:
    """When a job is due, or was when it was claimed, and its attempts that failed.

    Attributes:
        scheduled_at: when it is due.
        failed: the newest attempts that failed, in their order.
        partial: whether there were more of them.
    """

    scheduled_at: datetime
    failed: Sequence[Try] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Norm:
    """How long steps took in earlier runs, in seconds: those of one name, or those that are alike.

    Attributes:
        step_name: the name; ``None`` where they are alike.
        worker, head: the worker of those that are alike, and how their names begin, up to a colon
            or a digit.
        runs, steps: how many there were.
        p50, p95: the median, and what 95 % stayed below.
    """

    step_name: str | None
    worker: str | None
    head: str | None
    runs: int
    steps: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used and cost."""

    attempt: int
    model: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: float | None
    duration_ms: float | None
    inserted_at: datetime


@dataclass(frozen=True, slots=True)
class Captured:
    """A document that was captured of an attempt; left out where ``size`` is more than `SHOWN`."""

    attempt: int
    kind: str
    content: Any
    size: int
    inserted_at: datetime


@dataclass(frozen=True, slots=True)
class About:
    """What a workflow was inserted with.

    Attributes:
        parent_id, parent_name, parent_step: the workflow that it is a part of, and as which step.
        deadline: when it is cancelled if it has not ended.
        tags: its labels.
        context: what all of its steps know.
        unique_key: of the workflows with the same key one executes at a time.
        template, template_version: what it was made from.
    """

    parent_id: UUID | None
    parent_name: str | None
    parent_step: str | None
    deadline: datetime | None
    tags: Sequence[str]
    context: Mapping[str, Any]
    unique_key: str | None
    template: str | None
    template_version: int | None


@dataclass(frozen=True, slots=True)
class Signal:
    """What was said to a workflow; ``payload`` is ``None`` where ``size`` is more than `SHOWN`."""

    name: str
    sent_by: str | None
    sent_at: datetime
    payload: Any
    size: int


async def totals(database: Database) -> Totals:
    """Return how many jobs there are; only a small table is counted."""
    [(exact, jobs)] = await database.run("page_totals", {"most": COUNTED})
    return Totals(exact, {state: int(count) for state, count in document(jobs).items()})


async def rates(
    database: Database, search: JobSearch = EVERY, *, seconds: int = 60, buckets: int = 30
) -> tuple[list[Rate], bool]:
    """Return what ended lately, and whether there may have been more than was looked at."""
    fits = matching.jobs(search.conditions, search.states)
    if search.ids is not None:
        fits.keep(f"job.id = any ({fits.put(list(search.ids), 'bigint[]')})")
    where = ""
    if fits.sql:
        where = f"and exists (select from baton.jobs as job where job.id = looked.id{fits.sql})"
    params = {"seconds": seconds, "buckets": buckets, "most": LOOKED_AT, **fits.params}
    rows = await database.run("page_rates", params, where)
    return [Rate(*row[:-1]) for row in rows], any(row[-1] for row in rows)


async def attempts(database: Database, workflow_id: UUID) -> dict[int, Attempts]:
    """Return, by job, what the timeline of a workflow needs beside its steps."""
    rows = await database.run("page_attempts", {"id": workflow_id, "most": TRIES})
    return {row[0]: Attempts(row[1], _tries(row[2]), row[3]) for row in rows}


async def norms(database: Database, workflow_id: UUID, *, steps: int) -> list[Norm]:
    """Return how long steps took in earlier runs of a workflow.

    Args:
        database: where.
        workflow_id: the workflow; without a name it has no earlier runs.
        steps: how many it has.
    """
    runs = max(3, min(50, STEPS // max(1, steps)))
    params = {"id": workflow_id, "looked": EARLIER, "runs": runs}
    return [Norm(*row) for row in await database.run("page_norms", params)]


async def about(database: Database, workflow_id: UUID) -> About | None:
    """Return what a workflow was inserted with; ``None`` when it is gone."""
    rows = await database.run("page_workflow", {"id": workflow_id})
    if not rows:
        return None
    parent_id, name, step, deadline, tags, context, *rest = rows[0]
    return About(parent_id, name, step, deadline, tags, document(context), *rest)


async def signals(database: Database, workflow_id: UUID) -> list[Signal]:
    """Return what was said to a workflow, the last first."""
    rows = await database.run("page_signals", {"id": workflow_id, "most": SHOWN})
    return [
        Signal(name, sent_by, sent_at, document(payload), size)
        for name, sent_by, sent_at, payload, size in rows
    ]


async def usage(database: Database, job_id: int) -> list[Usage]:
    """Return what the attempts of a job used and cost."""
    return [Usage(*row) for row in await database.run("page_stats", {"id": job_id})]


async def captured(database: Database, job_id: int) -> list[Captured]:
    """Return what was captured of the attempts of a job."""
    rows = await database.run("page_debug", {"id": job_id, "most": SHOWN})
    return [
        Captured(attempt, kind, document(content), size, inserted_at)
        for attempt, kind, content, size, inserted_at in rows
    ]


async def step_of(database: Database, job_id: int) -> tuple[UUID, str | None, str] | None:
    """Return the workflow, its name and the step that a job is, if it is one."""
    if not 0 < job_id <= LARGEST_ID:
        return None
    rows = await database.run("page_step", {"id": job_id})
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def _tries(found: Sequence[Sequence[str | None]]) -> list[Try]:
    """Read times that anybody may have edited."""
    tries = []
    for texts in found:
        try:
            due, begins, ends = (datetime.fromisoformat(text or "") for text in texts)
        except ValueError:
            continue
        if due.tzinfo is not None and begins.tzinfo is not None and ends.tzinfo is not None:
            tries.append(Try(due, begins, ends))
    return tries
