"""The psycopg connection behind whatever a program passes as ``conn=``.

A program that uses SQLAlchemy or Django passes its session or connection, and our statements join
the transaction that it has: one that SQLAlchemy has announced and not begun is begun first, so that
its ``commit()`` and ``rollback()`` decide about them. Neither library is imported: who passes an
object of theirs has imported it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor, Connection, Cursor

from baton.errors import BatonError, InvalidConnection
from baton.store.translation import first_line, translated

C = TypeVar("C", AsyncConnection[Any], Connection[Any])

ASYNC = "a psycopg AsyncConnection, or an AsyncSession or AsyncConnection of SQLAlchemy"
SYNC = "a psycopg Connection, a Session or Connection of SQLAlchemy, or Django's connection"


async def borrow(conn: Any) -> AsyncConnection[Any]:
    """Return the connection behind ``conn``, inside its transaction.

    Raises:
        InvalidConnection: it is closed, synchronous, not psycopg's, or no connection at all.
    """
    with _explained(conn):
        match _library(conn):
            case "sqlalchemy" if hasattr(conn, "run_sync"):
                return _asynchronous(await conn.run_sync(_join), conn)
            case "sqlalchemy" if not hasattr(conn, "in_transaction"):
                raise _foreign(conn, conn, ASYNC)
            case "sqlalchemy" | "django":
                raise _synchronous(conn)
            case _:
                return _asynchronous(_of_cursor(conn), conn)


def borrow_sync(conn: Any) -> Connection[Any]:
    """Do what `borrow` does, for a synchronous connection."""
    with _explained(conn):
        match _library(conn):
            case "sqlalchemy" if hasattr(conn, "run_sync"):
                found: Any = None
            case "sqlalchemy":
                found = _join(conn)
            case "django":
                found = _join_django(conn)
            case _:
                found = _of_cursor(conn)
        if found is None or isinstance(found, AsyncConnection):
            raise InvalidConnection(
                f"conn is asynchronous ({_name(conn)}) and this call is not: await insert() "
                f"instead of insert_sync(), or pass {SYNC}"
            )
        if not isinstance(found, Connection):
            raise _foreign(found, conn, SYNC)
        return _opened(found)


def require_transaction(conn: AsyncConnection[Any] | Connection[Any]) -> None:
    """Refuse a connection on which every statement commits by itself.

    Raises:
        InvalidConnection: it is in autocommit mode and no transaction is open.
    """
    if conn.autocommit and conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        raise InvalidConnection(
            "conn commits every statement by itself; open a transaction on it first, so that what "
            "you write and the completion of the job commit together"
        )


def _asynchronous(found: Any, conn: Any) -> AsyncConnection[Any]:
    if isinstance(found, Connection):
        raise _synchronous(conn)
    if not isinstance(found, AsyncConnection):
        raise _foreign(found, conn, ASYNC)
    return _opened(found)


def _opened(found: C) -> C:
    if found.closed:
        raise InvalidConnection("conn is closed; pass an open connection")
    return found


def _of_cursor(conn: Any) -> Any:
    return conn.connection if isinstance(conn, (AsyncCursor, Cursor)) else conn


def _join(conn: Any) -> Any:
    """Begin the transaction of a session or connection of SQLAlchemy, if none is; go below it."""
    if hasattr(conn, "get_bind"):  # a Session: this begins its transaction and takes a connection
        conn = conn.connection()
    if hasattr(conn, "driver_connection"):  # what Engine.raw_connection() gives
        return conn.driver_connection
    if not hasattr(conn, "in_transaction"):
        return conn
    if not conn.in_transaction():
        conn.begin()  # what the first statement would do
    return conn.connection.driver_connection


def _join_django(conn: Any) -> Any:
    if not hasattr(conn, "validate_no_broken_transaction"):
        return conn
    conn.cursor().close()  # connects, and checks the thread
    conn.validate_no_broken_transaction()
    return conn.connection


@contextmanager
def _explained(conn: Any) -> Iterator[None]:
    """Turn what SQLAlchemy and Django raise into our errors."""
    try:
        with translated(""):
            yield
    except BatonError:
        raise
    except Exception as error:
        if isinstance(error.__cause__, psycopg.Error):
            with translated(""):
                raise error.__cause__ from None
        raise InvalidConnection(
            f"conn ({_name(conn)}) can't be used: {first_line(error)}"
        ) from error


def _library(conn: Any) -> str:
    """Return which library a connection is of, by the class that it is or derives from."""
    for base in type(conn).__mro__:
        package = base.__module__.partition(".")[0]
        if package in {"psycopg", "sqlalchemy", "django"}:
            return package
    return ""


def _name(conn: Any) -> str:
    kind = type(conn)
    return f"{kind.__module__}.{kind.__qualname__}"


def _synchronous(conn: Any) -> InvalidConnection:
    return InvalidConnection(
        f"conn is synchronous ({_name(conn)}) and would block the event loop: call insert_sync() "
        f"instead of insert(), or pass {ASYNC}"
    )


def _foreign(found: Any, conn: Any, wanted: str) -> InvalidConnection:
    below = "" if found is conn else f" on {_name(found)}"
    return InvalidConnection(
        f"conn must be {wanted}, on the driver psycopg (postgresql+psycopg), "
        f"not {_name(conn)}{below}"
    )
