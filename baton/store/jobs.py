"""Jobs in the database: how they are inserted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, Connection

from baton import documents
from baton.jobs import Job, NewJob
from baton.store import door
from baton.store.door import Row
from baton.store.pools import Database, SyncDatabase
from baton.store.rows import to_job
from baton.store.shapes import Ready, columns, encode, ready, simple, single, with_context


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
            encode(job, "arguments", job.args, limit),
            encode(job, "meta", with_context(job, identity), limit),
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


@dataclass(frozen=True, slots=True)
class Insertion:
    """A statement that inserts jobs, and how its rows are read."""

    name: str
    params: Mapping[str, Any]
    read: Callable[[Sequence[Row]], list[Job]]


def insertion(jobs: Sequence[NewJob], limit: int) -> Insertion:
    """Return the statement that inserts these jobs, which are one at least.

    Raises:
        InvalidJob: a job can't be stored.
    """
    if any(job.unique is not None for job in jobs):
        params = job_columns(((job, {}) for job in jobs), limit=limit)
        return Insertion("job_insert", params, _read_rows)
    return plain_insertion([ready(job, limit) for job in jobs])


def plain_insertion(jobs: Sequence[Ready]) -> Insertion:
    """Return the statement that inserts jobs of which none is unique."""
    if len(jobs) == 1:
        [job] = jobs
        if job.shape.is_simple:
            return Insertion("job_insert_simple", simple(job), lambda rows: _read_simple(job, rows))
        return Insertion("job_insert_one", single(job), lambda rows: _read_one(job, rows))
    return Insertion("jobs_insert_plain", columns(jobs), lambda rows: _read_plain(jobs, rows))


def _read_rows(rows: Sequence[Row]) -> list[Job]:
    return [to_job(row[:-1], conflict=row[-1]) for row in rows]


def _read_simple(job: Ready, rows: Sequence[Row]) -> list[Job]:
    [(job_id, inserted_at, _)] = rows
    return [job.inserted(job_id, inserted_at, inserted_at)]


def _read_one(job: Ready, rows: Sequence[Row]) -> list[Job]:
    [(job_id, inserted_at, scheduled_at, _)] = rows
    return [job.inserted(job_id, inserted_at, scheduled_at)]


def _read_plain(jobs: Sequence[Ready], rows: Sequence[Row]) -> list[Job]:
    [(ids, inserted_at, dues, _)] = rows
    times = dues or [inserted_at] * len(ids)
    return [
        job.inserted(job_id, inserted_at, due)
        for job, job_id, due in zip(jobs, ids, times, strict=True)
    ]


async def insert_ready(database: Database, jobs: Sequence[Ready]) -> list[Job]:
    """Insert jobs of which none is unique, in one statement, and return them in the same order.

    Raises:
        DatabaseError: the database refused or is away.
    """
    chosen = plain_insertion(jobs)
    return chosen.read(await database.run(chosen.name, chosen.params))


def insert_ready_sync(database: SyncDatabase, jobs: Sequence[Ready]) -> list[Job]:
    """Do what `insert_ready` does, for programs without an event loop."""
    chosen = plain_insertion(jobs)
    return chosen.read(database.run(chosen.name, chosen.params))


async def insert(
    conn: AsyncConnection[Any], schema: str, jobs: Sequence[NewJob], *, limit: int
) -> list[Job]:
    """Insert jobs in one statement and return them in the same order, ids ascending.

    Raises:
        InvalidJob: a job can't be stored; nothing is inserted.
        DatabaseError: the database refused or is away.
    """
    chosen = insertion(jobs, limit)
    return chosen.read(await door.run(conn, schema, chosen.name, chosen.params))


def insert_sync(
    conn: Connection[Any], schema: str, jobs: Sequence[NewJob], *, limit: int
) -> list[Job]:
    """Do what `insert` does, on a synchronous connection."""
    chosen = insertion(jobs, limit)
    return chosen.read(door.run_sync(conn, schema, chosen.name, chosen.params))
