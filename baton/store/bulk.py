"""Inserting many jobs: with all of them in return, or with nothing but their number."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import psycopg
from anyio import CancelScope
from anyio.lowlevel import checkpoint
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor

from baton.jobs import Job, NewJob
from baton.store import door, sql
from baton.store import jobs as job_store
from baton.store.copying import Copied, Stream
from baton.store.pooled import limited, limited_sync
from baton.store.translation import translation

FROM = 250  # jobs; for less than these the round trips of a COPY cost more than it saves


async def insert(
    conn: AsyncConnection[Any], schema: str, jobs: Sequence[NewJob], *, limit: int
) -> Sequence[Job]:
    """Insert jobs, all or none, and return them in the same order, ids ascending.

    Raises:
        InvalidJob: a job can't be stored; nothing is inserted.
        DatabaseError: the database refused or is away.
    """
    if _is_large(jobs):
        [(present, divided, ids)] = await door.run(conn, schema, "jobs_start", {"ids": len(jobs)})
        if not any(job.queue in divided for job in jobs):
            stream = Stream(jobs, present, limit=limit, ids=ids)
            await _run(conn, schema, stream)
            return stream.inserted()
    return await job_store.insert(conn, schema, jobs, limit=limit)


def insert_sync(
    conn: Connection[Any], schema: str, jobs: Sequence[NewJob], *, limit: int
) -> Sequence[Job]:
    """Do what `insert` does, on a synchronous connection."""
    if _is_large(jobs):
        [(present, divided, ids)] = door.run_sync(conn, schema, "jobs_start", {"ids": len(jobs)})
        if not any(job.queue in divided for job in jobs):
            stream = Stream(jobs, present, limit=limit, ids=ids)
            _run_sync(conn, schema, stream)
            return stream.inserted()
    return job_store.insert_sync(conn, schema, jobs, limit=limit)


async def insert_many(
    conn: AsyncConnection[Any], schema: str, jobs: Iterable[NewJob], *, limit: int
) -> int:
    """Insert jobs, all or none, as they are read, and return how many are new.

    Raises:
        InvalidJob: a job can't be stored; nothing is inserted.
        DatabaseError: the database refused or is away.
    """
    [(present, divided, _)] = await door.run(conn, schema, "jobs_start", {"ids": 0})
    stream = Stream(jobs, present, limit=limit, divided=divided)
    await _run(conn, schema, stream)
    return stream.count


def insert_many_sync(
    conn: Connection[Any], schema: str, jobs: Iterable[NewJob], *, limit: int
) -> int:
    """Do what `insert_many` does, on a synchronous connection."""
    [(present, divided, _)] = door.run_sync(conn, schema, "jobs_start", {"ids": 0})
    stream = Stream(jobs, present, limit=limit, divided=divided)
    _run_sync(conn, schema, stream)
    return stream.count


def _is_large(jobs: Sequence[NewJob]) -> bool:
    return len(jobs) >= FROM and all(job.unique is None for job in jobs)


# In a transaction of the caller's a savepoint: a job that can't be stored does no harm to it.


async def _run(conn: AsyncConnection[Any], schema: str, stream: Stream) -> None:
    ending = Ending(conn, schema)
    # shielded, but for a moment between two statements: psycopg rolls back under a shield as well
    with CancelScope(shield=True) as scope, ending:
        async with conn.transaction():
            for statement in stream.statements():
                if isinstance(statement, Copied):
                    await _copy(conn, schema, statement)
                else:
                    rows = await door.run(conn, schema, statement.name, statement.params)
                    stream.add(statement.read(rows))
                await _pause(scope)
            await door.run(conn, schema, "jobs_tell", stream.told())
            ending.commits = True


class Ending:
    """Turns psycopg's errors into Baton's, and knows whether the commit was under way."""

    def __init__(self, conn: AsyncConnection[Any] | Connection[Any], schema: str) -> None:
        self.commits = False
        self._schema = schema
        self._conn = conn
        self._alone = door.commits_alone(conn)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, psycopg.Error):
            maybe = self.commits and self._alone and self._conn.closed
            raise translation(error, self._schema, maybe_done=maybe) from error


async def _pause(scope: CancelScope) -> None:
    try:
        scope.shield = False
        await checkpoint()
    finally:
        scope.shield = True


def _run_sync(conn: Connection[Any], schema: str, stream: Stream) -> None:
    with Ending(conn, schema) as ending, conn.transaction():
        for statement in stream.statements():
            if isinstance(statement, Copied):
                _copy_sync(conn, schema, statement)
            else:
                rows = door.run_sync(conn, schema, statement.name, statement.params)
                stream.add(statement.read(rows))
        door.run_sync(conn, schema, "jobs_tell", stream.told())
        ending.commits = True


async def _copy(conn: AsyncConnection[Any], schema: str, copied: Copied) -> None:
    async with limited(conn), AsyncCursor(conn).copy(_statement(copied, schema)) as copy:
        for piece in copied.data:
            await copy.write(piece)


def _copy_sync(conn: Connection[Any], schema: str, copied: Copied) -> None:
    with limited_sync(conn), Cursor(conn).copy(_statement(copied, schema)) as copy:
        for piece in copied.data:
            copy.write(piece)


def _statement(copied: Copied, schema: str) -> bytes:
    text = f"copy baton.jobs ({', '.join(copied.columns)}) from stdin (format binary)"
    return sql.qualify(text, schema).encode()
