"""The one door to the database: how statements run, and what their errors become.

Two hazards are kept out here. anyio delivers a cancellation again and again, also while psycopg
cleans up after the first, and so breaks the connection: statements run in a shielded scope, and
``statement_timeout`` bounds them instead, or `pooled` where a pooler forbids to set that. And a
half-open connection holds its rows until TCP gives up: ``tcp_user_timeout`` is set on both ends.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from anyio import CancelScope
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg.rows import tuple_row

from baton.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnavailable,
    InvalidData,
    SchemaDamaged,
    SchemaMissing,
    StatementConflict,
)
from baton.store import sql
from baton.store.pooled import (
    PooledAsyncConnection,
    PooledConnection,
    limited,
    limited_sync,
)

Row = tuple[Any, ...]

TCP_USER_TIMEOUT_MS = 10_000
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": str(TCP_USER_TIMEOUT_MS),
}
_MISSING = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_DAMAGED = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedColumn,
)
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def conninfo(dsn: str, *, application_name: str = "baton") -> str:
    """Complete a connection string with Baton's defaults; what it says itself wins.

    Raises:
        ConfigurationError: it can't be read.
    """
    given = _parsed(dsn)
    return make_conninfo(**{**_DEFAULTS, "application_name": application_name, **given})


def psql_environment(dsn: str, schema: str, *, pooled: bool = False) -> dict[str, str]:
    """Return the environment in which psql, or any libpq program, opens the same schema.

    Everything goes through variables, so that no password stands on a command line. A pooler in
    transaction mode keeps no search path, and PgBouncer refuses who asks for one.

    Raises:
        ConfigurationError: the DSN can't be read.
    """
    given = _parsed(dsn)
    options = given.pop("options", os.environ.get("PGOPTIONS", ""))
    if not pooled:
        options += f" -c search_path={sql.check_schema(schema)},public"
    variables = {
        option.envvar.decode(): str(given[keyword])
        for option in Conninfo.get_defaults()
        if option.envvar is not None and (keyword := option.keyword.decode()) in given
    }
    return {**variables, "PGOPTIONS": options.strip()}


def _parsed(dsn: str) -> dict[str, Any]:
    # SQLAlchemy's form of the same address
    head, separator, rest = dsn.partition("://")
    if separator and head.startswith("postgresql+"):
        dsn = f"postgresql://{rest}"
    try:
        return dict(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError as error:
        # the driver's message may quote the string, password and all
        reason = str(error).strip().partition('"')[0].strip() or "unreadable"
        raise ConfigurationError(
            f"the DSN can't be read ({reason}); it looks like "
            f"postgresql://user:password@host:5432/database"
        ) from None


@contextmanager
def translated(schema: str) -> Iterator[None]:
    """Turn psycopg's errors into Baton's, with the original as the cause."""
    try:
        yield
    except _MISSING as error:
        raise SchemaMissing(schema) from error
    except _DAMAGED as error:
        raise SchemaDamaged(schema, first_line(error)) from error
    except _CONFLICTS as error:
        raise StatementConflict(first_line(error)) from error
    except psycopg.DataError as error:
        raise InvalidData(first_line(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(first_line(error)) from error
    except psycopg.Error as error:
        raise DatabaseError(first_line(error)) from error


def first_line(error: BaseException) -> str:
    """Return what an error says, without the position and the hints that may follow."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__qualname__


def _session_settings(conn: AsyncConnection[Any] | Connection[Any], timeout: float) -> str:
    """Return the statement that sets a session up: its time limits, and the server's end of TCP."""
    settings = {"statement_timeout": f"{timeout * 1000:.0f}"}
    if not conn.info.host.startswith("/"):
        settings["tcp_user_timeout"] = str(TCP_USER_TIMEOUT_MS)
    calls = (f"set_config('{name}', '{value}', false)" for name, value in settings.items())
    return f"select {', '.join(calls)}"


# Ours: the connections of programs have row factories, cursor classes and adapters of their own.
# The timestamps that Django loads, for example, may be without a time zone.
_ADAPTERS = AdaptersMap(psycopg.adapters)


class _AsyncCursor(AsyncCursor[Row]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class _Cursor(Cursor[Row]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


async def run(
    conn: AsyncConnection[Any], schema: str, name: str, params: Mapping[str, Any] | None = None
) -> list[Row]:
    """Run ``sql/queries/<name>.sql`` on a connection and return its rows.

    Raises:
        DatabaseError: one of its kinds.
    """
    with CancelScope(shield=True), translated(schema):
        async with limited(conn), _AsyncCursor(conn, row_factory=tuple_row) as cursor:
            await cursor.execute(sql.query(name, schema).encode(), params)
            found = await cursor.fetchall() if cursor.description else []
    return found


def run_sync(
    conn: Connection[Any], schema: str, name: str, params: Mapping[str, Any] | None = None
) -> list[Row]:
    """Do what `run` does, on a synchronous connection."""
    with (
        translated(schema),
        limited_sync(conn),
        _Cursor(conn, row_factory=tuple_row) as cursor,
    ):
        cursor.execute(sql.query(name, schema).encode(), params)
        return cursor.fetchall() if cursor.description else []


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
    with CancelScope(shield=True), translated(schema):
        conn = await kind.connect(
            conninfo(dsn, application_name=name),
            autocommit=True,
            row_factory=tuple_row,
            prepare_threshold=prepare_threshold(pooled=pooled),
        )
        if isinstance(conn, PooledAsyncConnection):
            conn.time_limit = timeout
            return conn
        try:
            await conn.execute(_session_settings(conn, timeout).encode())
        except BaseException:
            # asyncio's own cancellation, of a program that ends, passes the shield
            await conn.close()
            raise
    return conn


def connect_sync(
    dsn: str, schema: str, *, timeout: float, name: str, pooled: bool = False, **options: Any
) -> Connection[Row]:
    """Do what `connect` does, synchronously; ``options`` are more parameters for libpq."""
    kind = PooledConnection if pooled else Connection[Row]
    with translated(schema):
        conn = kind.connect(
            conninfo(dsn, application_name=name),
            autocommit=True,
            row_factory=tuple_row,
            prepare_threshold=prepare_threshold(pooled=pooled),
            **options,
        )
        set_up(conn, timeout)
    return conn


def set_up(conn: Connection[Row], timeout: float) -> None:
    """Bound the statements of a new synchronous connection."""
    if isinstance(conn, PooledConnection):
        conn.time_limit = timeout
    else:
        conn.execute(_session_settings(conn, timeout).encode())


def prepare_threshold(*, pooled: bool) -> int | None:
    """Return after how many times psycopg prepares a statement; behind a pooler it never may."""
    return None if pooled else 5


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Turn rows into columns, which is how ``unnest`` wants them; also when there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
