"""Jobs in the database: how they are inserted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection, Connection

from baton import documents
from baton.errors import InvalidJob, TooLarge
from baton.jobs import Job, NewJob
from baton.store import door
from baton.store.rows import to_job


def job_columns(
    jobs: Iterable[tuple[NewJob, Mapping[str, Any]]], *, limit: int
) -> dict[str, list[Any]]:
    """Return new jobs, each with what Baton adds to its meta, as arrays for a statement.

    Raises:
        TooLarge: the arguments of a job take more than ``limit`` bytes.
        InvalidJob: its arguments or meta can't be stored.
    """
    rows = [
        (
            job.queue,
            job.worker,
            _encode(job, "arguments", job.args, limit),
            _encode(job, "meta", {**job.meta, **identity, **_context(job)}, limit),
            documents.encode(list(job.tags)),
            job.priority,
            job.max_attempts,
            job.scheduled_at if job.schedule_in is None else None,
            _float(job.schedule_in),
            _float(job.timeout),
            job.deadline,
            job.weight,
            None if job.unique is None else documents.encode(job.unique.options()),
        )
        for job, identity in jobs
    ]
    names = (
        "queues",
        "workers",
        "args",
        "metas",
        "tags",
        "priorities",
        "max_attempts",
        "scheduled_ats",
        "delays",
        "timeouts",
        "deadlines",
        "weights",
        "uniques",
    )
    return dict(zip(names, door.columns(rows, len(names)), strict=True))


def _float(number: float | None) -> float | None:
    # an array is of one type, and a program may have given integers too
    return None if number is None else float(number)


def _context(job: NewJob) -> dict[str, Any]:
    return {"context": dict(job.context)} if job.context else {}


def _encode(job: NewJob, what: str, value: Mapping[str, Any], limit: int) -> str:
    try:
        text = documents.encode(dict(value))
    except (TypeError, ValueError) as error:
        raise InvalidJob(f"{what} of a job of {job.worker} can't be stored: {error}") from None
    if (size := len(text.encode())) > limit:
        raise TooLarge(f"{what} of a job of {job.worker}", size, limit, "max_args_bytes")
    return text


async def insert(
    conn: AsyncConnection[Any], schema: str, jobs: Sequence[NewJob], *, limit: int
) -> list[Job]:
    """Insert jobs in one statement and return them in the same order, ids ascending.

    Raises:
        InvalidJob: a job can't be stored; nothing is inserted.
        DatabaseError: the database refused or is away.
    """
    params = job_columns(((job, {}) for job in jobs), limit=limit)
    rows = await door.run(conn, schema, "job_insert", params)
    return [to_job(row[:-1], conflict=row[-1]) for row in rows]


def insert_sync(
    conn: Connection[Any], schema: str, jobs: Sequence[NewJob], *, limit: int
) -> list[Job]:
    """Do what `insert` does, on a synchronous connection."""
    params = job_columns(((job, {}) for job in jobs), limit=limit)
    rows = door.run_sync(conn, schema, "job_insert", params)
    return [to_job(row[:-1], conflict=row[-1]) for row in rows]
