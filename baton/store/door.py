"""The one door to the database: how statements run, and what their errors become.

Two hazards are kept out here. anyio delivers a cancellation again and again, also while psycopg
cleans up after the first, and so breaks the connection: statements run in a shielded scope, and
``statement_timeout`` bounds them instead. And a half-open connection holds its rows until TCP gives
up: ``tcp_user_timeout`` is set on both ends.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self
from weakref import WeakSet

import psycopg
from anyio import CancelScope, get_cancelled_exc_class
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from baton.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnavailable,
    InvalidData,
    SchemaMissing,
    StatementConflict,
)
from baton.store import sql

Row = tuple[Any, ...]

TCP_USER_TIMEOUT_MS = 10_000
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": str(TCP_USER_TIMEOUT_MS),
}
_MISSING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)


def conninfo(dsn: str, *, application_name: str = "baton") -> str:
    """Complete a connection string with Baton's defaults; what it says itself wins.

    Raises:
        ConfigurationError: it can't be read.
    """
    given = _parsed(dsn)
    return make_conninfo(**{**_DEFAULTS, "application_name": application_name, **given})


def psql_environment(dsn: str, schema: str) -> dict[str, str]:
    """Return the environment in which psql, or any libpq program, opens the same schema.

    Everything goes through variables, so that no password stands on a command line.

    Raises:
        ConfigurationError: the DSN can't be read.
    """
    given = _parsed(dsn)
    before = given.pop("options", os.environ.get("PGOPTIONS", ""))
    search_path = f"-c search_path={sql.check_schema(schema)},public"
    variables = {
        option.envvar.decode(): str(given[keyword])
        for option in Conninfo.get_defaults()
        if option.envvar is not None and (keyword := option.keyword.decode()) in given
    }
    return {**variables, "PGOPTIONS": f"{before} {search_path}".strip()}


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
    except _CONFLICTS as error:
        raise StatementConflict(_first_line(error)) from error
    except psycopg.DataError as error:
        raise InvalidData(_first_line(error)) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(_first_line(error)) from error
    except psycopg.Error as error:
        raise DatabaseError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__qualname__


def session_settings(conn: AsyncConnection[Any] | Connection[Any], timeout: float) -> str:
    """Return the statement that sets a session up: its time limits, and the server's end of TCP."""
    settings = {"statement_timeout": f"{timeout * 1000:.0f}"}
    if not conn.info.host.startswith("/"):
        settings["tcp_user_timeout"] = str(TCP_USER_TIMEOUT_MS)
    calls = (f"set_config('{name}', '{value}', false)" for name, value in settings.items())
    return f"select {', '.join(calls)}"


async def run(
    conn: AsyncConnection[Any], schema: str, name: str, params: Mapping[str, Any] | None = None
) -> list[Row]:
    """Run ``sql/queries/<name>.sql`` on a connection and return its rows.

    Raises:
        DatabaseError: one of its kinds.
    """
    with CancelScope(shield=True), translated(schema):
        async with conn.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(sql.query(name, schema).encode(), params)
            found = await cursor.fetchall() if cursor.description else []
    return found


def run_sync(
    conn: Connection[Any], schema: str, name: str, params: Mapping[str, Any] | None = None
) -> list[Row]:
    """Do what `run` does, on a synchronous connection."""
    with translated(schema), conn.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(sql.query(name, schema).encode(), params)
        return cursor.fetchall() if cursor.description else []


async def connect(dsn: str, schema: str, *, timeout: float, name: str) -> AsyncConnection[Row]:
    """Open a connection outside any pool, in autocommit mode.

    Args:
        dsn: where.
        schema: for messages.
        timeout: seconds that a statement may take.
        name: what pg_stat_activity shows.

    Raises:
        DatabaseUnavailable: there is no server, or it refuses.
    """
    with CancelScope(shield=True), translated(schema):
        conn = await AsyncConnection.connect(
            conninfo(dsn, application_name=name), autocommit=True, row_factory=tuple_row
        )
        await conn.execute(session_settings(conn, timeout).encode())
    return conn


class Database:
    """A pool of connections to one schema, for programs with an event loop."""

    def __init__(
        self, dsn: str, schema: str, *, timeout: float = 30.0, size: int = 10, name: str = "baton"
    ) -> None:
        self.dsn = dsn
        self.schema = sql.check_schema(schema)
        self._timeout = timeout
        self._connections: WeakSet[AsyncConnection[Row]] = WeakSet()
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            conninfo(dsn, application_name=name),
            kwargs={"autocommit": True, "row_factory": tuple_row},
            min_size=1,
            max_size=size,
            open=False,
            configure=self._configure,
            timeout=timeout,
        )

    async def _configure(self, conn: AsyncConnection[Row]) -> None:
        self._connections.add(conn)
        await conn.execute(session_settings(conn, self._timeout).encode())

    async def open(self) -> Self:
        """Open the pool, proving that the server answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        # the pool retries in silence; one plain connection says at once what is wrong
        with CancelScope(shield=True):
            with translated(self.schema):
                probe = await AsyncConnection.connect(conninfo(self.dsn))
                await probe.close()
            await self._pool.open()
        return self

    async def close(self) -> None:
        """Close every connection."""
        with CancelScope(shield=True):
            # At its end asyncio.run cancels the pool's own workers, waiting for which then raises
            # before the connections are closed.
            with suppress(get_cancelled_exc_class()):
                await self._pool.close()
            for conn in list(self._connections):
                await conn.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Row]]:
        """Lend a connection."""
        with CancelScope(shield=True) as scope, translated(self.schema):
            async with self._pool.connection() as conn:
                scope.shield = False
                try:
                    yield conn
                finally:
                    scope.shield = True

    async def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run ``sql/queries/<name>.sql`` and return its rows.

        Raises:
            DatabaseError: one of its kinds.
        """
        with CancelScope(shield=True):
            async with self.connection() as conn:
                found = await run(conn, self.schema, name, params)
        return found


class SyncDatabase:
    """A pool of connections to one schema, for programs without an event loop."""

    def __init__(
        self, dsn: str, schema: str, *, timeout: float = 30.0, size: int = 10, name: str = "baton"
    ) -> None:
        self.dsn = dsn
        self.schema = sql.check_schema(schema)
        self._timeout = timeout
        self._pool: ConnectionPool[Connection[Row]] = ConnectionPool(
            conninfo(dsn, application_name=name),
            kwargs={"autocommit": True, "row_factory": tuple_row},
            min_size=1,
            max_size=size,
            open=False,
            configure=self._configure,
            timeout=timeout,
        )

    def _configure(self, conn: Connection[Row]) -> None:
        conn.execute(session_settings(conn, self._timeout).encode())

    def open(self) -> Self:
        """Open the pool, proving that the server answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        with translated(self.schema):
            Connection.connect(conninfo(self.dsn)).close()
        self._pool.open()
        return self

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection[Row]]:
        """Lend a connection."""
        with translated(self.schema), self._pool.connection() as conn:
            yield conn

    def run(self, name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Do what `Database.run` does."""
        with self.connection() as conn:
            return run_sync(conn, self.schema, name, params)


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Turn rows into columns, which is how ``unnest`` wants them; also when there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
