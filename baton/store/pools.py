"""Pools of connections to one schema.

The asynchronous one is Baton's own and keeps nothing running in the background. psycopg_pool's
connects in tasks of its own, and such a task swallows a cancellation: a program whose
``asyncio.run`` ended while one was connecting never ended (13 of 20 runs with psycopg-pool 3.3.3).
The synchronous one is psycopg_pool's.
"""

import select
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from anyio import CancelScope, Semaphore, move_on_after
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from baton.errors import DatabaseUnavailable
from baton.store import door, sql
from baton.store.door import Row


class Database:
    """Connections for programs with an event loop: opened when needed, kept for the next one.

    Args:
        dsn: where.
        schema: the schema.
        timeout: seconds that a statement may take, and that a free connection is waited for.
        size: connections at most.
        name: what pg_stat_activity shows.
    """

    def __init__(
        self, dsn: str, schema: str, *, timeout: float = 30.0, size: int = 10, name: str = "baton"
    ) -> None:
        self.dsn = dsn
        self.schema = sql.check_schema(schema)
        self._timeout = timeout
        self._name = name
        self._free = Semaphore(size)
        self._idle: list[AsyncConnection[Row]] = []
        self._closed = False

    async def open(self) -> Self:
        """Open a connection, proving that the server answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        self._closed = False
        self._idle.append(await self._connect())
        return self

    async def close(self) -> None:
        """Close every connection; one that is lent is closed when it comes back."""
        self._closed = True
        with CancelScope(shield=True):
            while self._idle:
                await self._idle.pop().close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Row]]:
        """Lend a connection.

        Raises:
            DatabaseUnavailable: none can be opened, or none became free in time.
        """
        with move_on_after(self._timeout) as waiting:
            await self._free.acquire()
        if waiting.cancelled_caught:
            raise DatabaseUnavailable(
                f"no connection became free within {self._timeout:g} s; raise pool_size"
            )
        try:
            conn = await self._take()
            try:
                with door.translated(self.schema):
                    yield conn
            finally:
                await self._put(conn)
        finally:
            self._free.release()

    async def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run ``sql/queries/<name>.sql`` and return its rows.

        Raises:
            DatabaseError: one of its kinds.
        """
        async with self.connection() as conn:
            return await door.run(conn, self.schema, name, params)

    async def _connect(self) -> AsyncConnection[Row]:
        return await door.connect(self.dsn, self.schema, timeout=self._timeout, name=self._name)

    async def _take(self) -> AsyncConnection[Row]:
        while self._idle:
            conn = self._idle.pop()
            if _is_quiet(conn):
                return conn
            with CancelScope(shield=True):
                await conn.close()
        return await self._connect()

    async def _put(self, conn: AsyncConnection[Row]) -> None:
        if conn.closed:
            return
        if self._closed or conn.info.transaction_status != TransactionStatus.IDLE:
            with CancelScope(shield=True):
                await conn.close()
        else:
            self._idle.append(conn)


def _is_quiet(conn: AsyncConnection[Row]) -> bool:
    """Whether an idle connection is alive: the server says nothing to one, except that it ends."""
    if conn.closed:
        return False
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    return not poll.poll(0)


class SyncDatabase:
    """A pool of connections to one schema, for programs without an event loop."""

    def __init__(
        self, dsn: str, schema: str, *, timeout: float = 30.0, size: int = 10, name: str = "baton"
    ) -> None:
        self.dsn = dsn
        self.schema = sql.check_schema(schema)
        self._timeout = timeout
        self._pool: ConnectionPool[Connection[Row]] = ConnectionPool(
            door.conninfo(dsn, application_name=name),
            kwargs={"autocommit": True, "row_factory": tuple_row},
            min_size=1,
            max_size=size,
            open=False,
            configure=self._configure,
            timeout=timeout,
        )

    def _configure(self, conn: Connection[Row]) -> None:
        conn.execute(door.session_settings(conn, self._timeout).encode())

    def open(self) -> Self:
        """Open the pool, proving that the server answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        with door.translated(self.schema):
            Connection.connect(door.conninfo(self.dsn)).close()
        self._pool.open()
        return self

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection[Row]]:
        """Lend a connection."""
        with door.translated(self.schema), self._pool.connection() as conn:
            yield conn

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Do what `Database.run` does."""
        with self.connection() as conn:
            return door.run_sync(conn, self.schema, name, params)
