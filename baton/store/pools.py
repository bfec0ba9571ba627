"""Pools of connections to one schema.

The asynchronous one is Baton's own and keeps nothing running in the background. psycopg_pool's
connects in tasks of its own, and such a task swallows a cancellation: a program whose
``asyncio.run`` ended while one was connecting never ended (13 of 20 runs with psycopg-pool 3.3.3).
The synchronous one is psycopg_pool's.
"""

import select
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from anyio import CancelScope, Lock, Semaphore, move_on_after
from psycopg import AsyncConnection, Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from baton.errors import DatabaseUnavailable
from baton.store import door, migrations, sql
from baton.store.door import Row
from baton.store.pooled import PooledConnection


class Database:
    """Connections for programs with an event loop: opened when needed, kept for the next one.

    Args:
        dsn: where.
        schema: the schema.
        timeout: seconds that a statement may take, and that a free connection is waited for.
        size: connections at most.
        name: what pg_stat_activity shows.
        pooled: whether a pooler in transaction mode stands between.
    """

    def __init__(
        self,
        dsn: str,
        schema: str,
        *,
        timeout: float = 30.0,
        size: int = 10,
        name: str = "baton",
        pooled: bool = False,
    ) -> None:
        self.dsn = dsn
        self._pooled = pooled
        self.schema = sql.check_schema(schema)
        self._timeout = timeout
        self._name = name
        self._free = Semaphore(size)
        self._opening = Lock()
        self._checked = False
        self._idle: list[AsyncConnection[Row]] = []
        self._closed = True

    async def open(self) -> Self:
        """Prove that the server answers and has the schema; `connection` does it when needed.

        Raises:
            DatabaseUnavailable: it does not answer.
            SchemaMissing, SchemaOutdated, SchemaTooNew: the schema is not this Baton's.
        """
        async with self._opening:
            if self._closed:
                conn = await self._connect()
                try:
                    await self.check(conn)
                except BaseException:
                    with CancelScope(shield=True):
                        await conn.close()
                    raise
                self._idle.append(conn)
                self._closed = False
        return self

    async def check(self, conn: AsyncConnection[Any]) -> None:
        """Check the schema over a connection, once in the life of this object.

        Raises:
            SchemaMissing, SchemaOutdated, SchemaTooNew: the schema is not this Baton's.
        """
        if not self._checked:
            [(version,)] = await door.run(conn, self.schema, "schema_version")
            migrations.require_current(self.schema, version)
            self._checked = True

    async def close(self) -> None:
        """Close every connection; one that is lent is closed when it comes back."""
        self._closed = True
        with CancelScope(shield=True):
            while self._idle:
                await self._idle.pop().close()

    def close_nowait(self) -> None:
        """Do what `close` does, where there is no event loop any more."""
        self._closed = True
        while self._idle:
            conn = self._idle.pop()  # kept: it is not to be deleted while still open
            conn.pgconn.finish()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Row]]:
        """Lend a connection.

        Raises:
            DatabaseUnavailable: none can be opened, or none became free in time.
            SchemaMissing, SchemaOutdated, SchemaTooNew: as `open` does.
        """
        if self._closed:
            await self.open()
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
        return await door.connect(
            self.dsn, self.schema, timeout=self._timeout, name=self._name, pooled=self._pooled
        )

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
    """Connections for programs without an event loop; it takes the arguments of `Database`."""

    def __init__(
        self,
        dsn: str,
        schema: str,
        *,
        timeout: float = 30.0,
        size: int = 10,
        name: str = "baton",
        pooled: bool = False,
    ) -> None:
        self._pooled = pooled
        self.schema = sql.check_schema(schema)
        self._conninfo = door.conninfo(dsn, application_name=name)
        self._timeout = timeout
        self._size = size
        self._opening = threading.Lock()
        self._checked = False
        self._pool: ConnectionPool[Connection[Row]] | None = None

    def open(self) -> Self:
        """Do what `Database.open` does."""
        self._opened()
        return self

    def check(self, conn: Connection[Any]) -> None:
        """Do what `Database.check` does."""
        if not self._checked:
            [(version,)] = door.run_sync(conn, self.schema, "schema_version")
            migrations.require_current(self.schema, version)
            self._checked = True

    def close(self) -> None:
        """Close every connection."""
        with self._opening:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection[Row]]:
        """Do what `Database.connection` does."""
        with door.translated(self.schema), self._opened().connection() as conn:
            yield conn

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Do what `Database.run` does."""
        with self.connection() as conn:
            return door.run_sync(conn, self.schema, name, params)

    def _opened(self) -> ConnectionPool[Connection[Row]]:
        with self._opening:
            if self._pool is None:
                # the pool retries in silence; one plain connection says at once what is wrong
                with (
                    door.translated(self.schema),
                    Connection.connect(
                        self._conninfo, autocommit=True, prepare_threshold=None
                    ) as conn,
                ):
                    self.check(conn)
                self._pool = ConnectionPool(
                    self._conninfo,
                    connection_class=PooledConnection if self._pooled else Connection[Row],
                    kwargs={
                        "autocommit": True,
                        "row_factory": tuple_row,
                        "prepare_threshold": door.prepare_threshold(pooled=self._pooled),
                    },
                    min_size=1,
                    max_size=self._size,
                    configure=self._configure,
                    timeout=self._timeout,
                    open=True,
                )
            return self._pool

    def _configure(self, conn: Connection[Row]) -> None:
        door.set_up(conn, self._timeout)
