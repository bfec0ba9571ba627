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
from time import monotonic
from typing import Any, Self

from anyio import CancelScope, Lock, Semaphore, WouldBlock, move_on_after
from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from baton.errors import DatabaseUnavailable
from baton.store import door, dsns, migrations, sql
from baton.store.door import Row
from baton.store.pooled import PooledConnection
from baton.store.translation import translated

PATIENCE = 1.0  # seconds that a pool gets for a connection, before the server is asked itself


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
        conn = await self._lent()
        try:
            with translated(self.schema):
                yield conn
        except DatabaseUnavailable:
            await self._discard(conn)
            raise
        finally:
            await self._returned(conn)

    async def run(
        self, name: str, params: Mapping[str, Any] | None = None, where: str = ""
    ) -> list[Row]:
        """Run ``sql/queries/<name>.sql`` and return its rows; ``where`` is for its filter.

        Raises:
            DatabaseError: one of its kinds.
        """
        conn = await self._lent()
        try:
            return await door.run(conn, self.schema, name, params, where)
        except DatabaseUnavailable:
            await self._discard(conn)
            raise
        finally:
            await self._returned(conn)

    async def _discard(self, conn: AsyncConnection[Row]) -> None:
        """Close a connection in trouble: a new one may find another server, and one that writes."""
        with CancelScope(shield=True):
            await conn.close()

    async def _lent(self) -> AsyncConnection[Row]:
        """Return a connection that is nobody else's until `_returned` gets it back."""
        if self._closed:
            await self.open()
        try:
            self._free.acquire_nowait()
        except WouldBlock:
            await self._wait()
        try:
            return await self._take()
        except BaseException:
            self._free.release()
            raise

    async def _wait(self) -> None:
        with move_on_after(self._timeout) as waiting:
            await self._free.acquire()
        if waiting.cancelled_caught:
            raise DatabaseUnavailable(_none_free(self._timeout))

    async def _returned(self, conn: AsyncConnection[Row]) -> None:
        try:
            await self._put(conn)
        finally:
            self._free.release()

    async def _connect(self) -> AsyncConnection[Row]:
        return await door.connect(
            self.dsn, self.schema, timeout=self._timeout, name=self._name, pooled=self._pooled
        )

    async def _take(self) -> AsyncConnection[Row]:
        while self._idle:
            conn = self._idle.pop()
            if is_quiet(conn):
                return conn
            with CancelScope(shield=True):
                await conn.close()
        return await self._connect()

    async def _put(self, conn: AsyncConnection[Row]) -> None:
        if conn.closed:
            return
        if self._closed or conn.pgconn.transaction_status != TransactionStatus.IDLE:
            with CancelScope(shield=True):
                await conn.close()
        else:
            self._idle.append(conn)


def _none_free(timeout: float) -> str:
    return f"no connection became free within {timeout:g} s; raise pool_size"


def is_quiet(conn: AsyncConnection[Row] | Connection[Row]) -> bool:
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
        self._conninfo = dsns.conninfo(dsn, application_name=name)
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
        with translated(self.schema), self._lent() as conn:
            try:
                yield conn
            except DatabaseUnavailable:
                conn.close()  # a new one may find another server, and one that writes
                raise

    @contextmanager
    def _lent(self) -> Iterator[Connection[Row]]:
        pool = self._opened()
        conn = self._taken(pool)
        try:
            yield conn
        finally:
            pool.putconn(conn)

    def _taken(self, pool: ConnectionPool[Connection[Row]]) -> Connection[Row]:
        """Wait for a connection, or until one cannot be made."""
        end = monotonic() + self._timeout
        while True:
            try:
                return pool.getconn(timeout=min(PATIENCE, self._timeout))
            except PoolTimeout:
                if pool.get_stats()["pool_size"] < self._size:
                    self._check_server()  # the pool tries once, and does not say what was wrong
                if monotonic() >= end:
                    raise DatabaseUnavailable(_none_free(self._timeout)) from None

    def run(self, name: str, params: Mapping[str, Any] | None = None, where: str = "") -> list[Row]:
        """Do what `Database.run` does."""
        with self.connection() as conn:
            return door.run_sync(conn, self.schema, name, params, where)

    def _opened(self) -> ConnectionPool[Connection[Row]]:
        with self._opening:
            if self._pool is None:
                # the pool retries in silence; one plain connection says at once what is wrong
                self._check_server()
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
                    check=_check,
                    reconnect_timeout=0,  # or it would wait longer and longer between two tries
                    open=True,
                )
            return self._pool

    def _check_server(self) -> None:
        with (
            translated(self.schema),
            Connection.connect(self._conninfo, autocommit=True, prepare_threshold=None) as conn,
        ):
            self.check(conn)

    def _configure(self, conn: Connection[Row]) -> None:
        door.set_up(conn, self._timeout)


def _check(conn: Connection[Row]) -> None:
    """Refuse what the pool is about to lend when the server has ended it."""
    if not is_quiet(conn):
        conn.close()  # or the pool would take it back, and lend it again
        raise OperationalError("the server has ended the connection")
