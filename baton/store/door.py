"""The one door to the database: how connections are opened, and statements run.

Two hazards are kept out here. anyio delivers a cancellation again and again, also while psycopg
cleans up after the first, and so breaks the connection: statements run in a shielded scope, and
``statement_timeout`` bounds them instead, or `pooled` where a pooler forbids to set that. And a
half-open connection holds its rows, its locks and its place until TCP gives up: both ends watch it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from anyio import CancelScope
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import tuple_row

from baton.store import cutoff, dsns, sql
from baton.store.pooled import (
    PooledAsyncConnection,
    PooledConnection,
    limited,
    limited_sync,
)
from baton.store.translation import translated, translation

Row = tuple[Any, ...]

# The same on the server's end: it speaks to nobody unasked, so it would not notice for two hours
# that a machine is gone, and keep the sessions of its processes.
_SERVER_END = {
    "tcp_keepalives_idle": dsns.DEFAULTS["keepalives_idle"],
    "tcp_keepalives_interval": dsns.DEFAULTS["keepalives_interval"],
    "tcp_keepalives_count": dsns.DEFAULTS["keepalives_count"],
    "tcp_user_timeout": str(dsns.TCP_USER_TIMEOUT_MS),
}


def commits_alone(conn: AsyncConnection[Any] | Connection[Any]) -> bool:
    """Whether a statement on this connection is a transaction of its own."""
    return conn.autocommit and conn.pgconn.transaction_status == TransactionStatus.IDLE


def _session_settings(conn: AsyncConnection[Any] | Connection[Any], timeout: float) -> str:
    """Return the statement that sets a session up: its time limits, and the server's end of TCP."""
    settings = {"statement_timeout": f"{timeout * 1000:.0f}"}
    if not conn.info.host.startswith("/"):
        settings |= _SERVER_END
    calls = (f"set_config('{name}', '{value}', false)" for name, value in settings.items())
    return f"select {', '.join(calls)}"


# Ours: the connections of programs have row factories, cursor classes and adapters of their own.
# The timestamps that Django loads, for example, may be without a time zone.
# A person may have set a time to infinity, or to a year that Python does not know: such a row is
# shown with the last or the first time that there is, and keeps no other from being read.
_ADAPTERS = AdaptersMap(psycopg.adapters)


def _clamped(kind: Callable[..., Any], low: Any, high: Any) -> type[Loader]:
    class Clamped(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._load = kind(oid, context).load

        def load(self, data: Buffer) -> Any:
            try:
                return self._load(data)
            except psycopg.DataError:
                written = bytes(data)
                return low if written.startswith(b"-") or b"BC" in written else high

    return Clamped


for _name, _low, _high in (
    ("timestamptz", datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ("interval", timedelta.min, timedelta.max),
):
    _oid = psycopg.adapters.types[_name].oid
    _kind = psycopg.adapters.get_loader(_oid, Format.TEXT)
    if _kind is not None:
        _ADAPTERS.register_loader(_oid, _clamped(_kind, _low, _high))


class _AsyncCursor(AsyncCursor[Row]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class _Cursor(Cursor[Row]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


async def run(
    conn: AsyncConnection[Any],
    schema: str,
    name: str,
    params: Mapping[str, Any] | None = None,
    where: str = "",
    *,
    binary: bool = False,
) -> list[Row]:
    """Run ``sql/queries/<name>.sql`` on a connection and return its rows.

    Args:
        conn: where.
        schema: the schema of Baton's tables.
        name: of the query.
        params: its parameters.
        where: conditions for its filter, if it has one; their values are parameters.
        binary: whether the rows come in the binary form, which is read faster.

    Raises:
        DatabaseError: one of its kinds.
    """
    found: list[Row] = []
    alone = commits_alone(conn)
    with CancelScope(shield=True):
        try:
            if isinstance(conn, PooledAsyncConnection):
                async with limited(conn):
                    found = await _fetched(conn, schema, name, params, where, binary=binary)
            else:
                found = await _fetched(conn, schema, name, params, where, binary=binary)
        except psycopg.Error as error:
            lost = alone and conn.closed
            raise translation(error, schema, maybe_done=lost, filtered=bool(where)) from error
    return found


async def _fetched(
    conn: AsyncConnection[Any],
    schema: str,
    name: str,
    params: Mapping[str, Any] | None,
    where: str,
    *,
    binary: bool,
) -> list[Row]:
    # not closed: a cursor of this kind holds nothing, and leaving its block awaits twice
    cursor = _AsyncCursor(conn, row_factory=tuple_row)
    await cursor.execute(sql.encoded(name, schema, where), params, binary=binary)
    return await cursor.fetchall() if _has_rows(cursor) else []


def run_sync(
    conn: Connection[Any],
    schema: str,
    name: str,
    params: Mapping[str, Any] | None = None,
    where: str = "",
) -> list[Row]:
    """Do what `run` does, on a synchronous connection."""
    cursor = _Cursor(conn, row_factory=tuple_row)
    alone = commits_alone(conn)
    try:
        with limited_sync(conn):
            cursor.execute(sql.encoded(name, schema, where), params)
            return cursor.fetchall() if _has_rows(cursor) else []
    except psycopg.Error as error:
        lost = alone and conn.closed
        raise translation(error, schema, maybe_done=lost, filtered=bool(where)) from error


def _has_rows(cursor: AsyncCursor[Row] | Cursor[Row]) -> bool:
    # its description would say so too, and make an object for each column first
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


async def connect(
    dsn: str, schema: str, *, timeout: float, name: str, pooled: bool = False
) -> AsyncConnection[Row]:
    """Open a connection outside any pool, in autocommit mode.

    Args:
        dsn: where.
        schema: for messages.
        timeout: seconds that a statement may take.
        name: what pg_stat_activity shows.
        pooled: whether a pooler in transaction mode stands between.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    kind = PooledAsyncConnection if pooled else AsyncConnection[Row]
    known = cutoff.current()
    with known.opening(), translated(schema):
        conn = await kind.connect(
            dsns.conninfo(dsn, application_name=name),
            autocommit=True,
            row_factory=tuple_row,
            prepare_threshold=prepare_threshold(pooled=pooled),
        )
        if isinstance(conn, PooledAsyncConnection):
            conn.time_limit = timeout
        else:
            await _set_up(conn, timeout)
    known.know(conn)
    return conn


async def _set_up(conn: AsyncConnection[Row], timeout: float) -> None:
    try:
        await conn.execute(_session_settings(conn, timeout).encode())
    except BaseException:
        # asyncio's own cancellation, of a program that ends, passes the shield
        await conn.close()
        raise


def connect_sync(
    dsn: str, schema: str, *, timeout: float, name: str, pooled: bool = False, **options: Any
) -> Connection[Row]:
    """Do what `connect` does, synchronously; ``options`` are more parameters for libpq."""
    kind = PooledConnection if pooled else Connection[Row]
    with translated(schema):
        conn = kind.connect(
            dsns.conninfo(dsn, application_name=name),
            autocommit=True,
            row_factory=tuple_row,
            prepare_threshold=prepare_threshold(pooled=pooled),
            **options,
        )
        set_up(conn, timeout)
    return conn


def set_up(conn: Connection[Row], timeout: float) -> None:
    """Bound the statements of a new synchronous connection, or close it."""
    try:
        if isinstance(conn, PooledConnection):
            conn.time_limit = timeout
        else:
            conn.execute(_session_settings(conn, timeout).encode())
    except BaseException:
        conn.close()
        raise


def prepare_threshold(*, pooled: bool) -> int | None:
    """Return after how many times psycopg prepares a statement; behind a pooler it never may."""
    return None if pooled else 5


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Turn rows into columns, which is how ``unnest`` wants them; also when there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
