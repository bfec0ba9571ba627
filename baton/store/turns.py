"""The transactions in which a schema is made, changed and opened to others.

Each takes one advisory lock per schema, so that one process at a time does it. Nothing is kept in
the session, so the connection may lead through a pooler in transaction mode.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel

from baton.errors import DatabaseError
from baton.store import door, dsns, sql
from baton.store.translation import translated

OLDEST_SERVER = 15

Place = str | Connection[Any]

_USABLE = (psycopg.pq.TransactionStatus.IDLE, psycopg.pq.TransactionStatus.INTRANS)


@contextmanager
def connected(place: Place, schema: str) -> Iterator[Connection[Any]]:
    """Open a connection, if there is none yet, whose server is new enough; translate errors.

    Raises:
        ConfigurationError: no schema can have this name.
        DatabaseError: the server is too old, refused or is away.
    """
    sql.check_schema(schema)
    with translated(schema), _opened(place, schema) as conn:
        if conn.info.server_version < OLDEST_SERVER * 10_000:
            raise DatabaseError(
                f"the server is PostgreSQL {conn.info.server_version // 10_000} and Baton needs "
                f"{OLDEST_SERVER} or newer"
            )
        yield conn


@contextmanager
def _opened(place: Place, schema: str) -> Iterator[Connection[Any]]:
    if isinstance(place, Connection):
        # this begins a transaction, if the connection has none and does not commit by itself
        [(statement_timeout, search_path)] = door.run_sync(place, schema, "migrations_kept")
        kept = {"statement_timeout": statement_timeout, "search_path": search_path}
        try:
            yield place
        finally:
            if place.info.transaction_status in _USABLE:
                door.run_sync(place, schema, "migrations_restore", kept)
        return
    info = dsns.conninfo(place, application_name="baton migrate")
    with Connection.connect(info, autocommit=True, prepare_threshold=None) as conn:
        # or the look after the wait for the lock would see what was before it
        conn.isolation_level = IsolationLevel.READ_COMMITTED
        yield conn


@contextmanager
def transaction(conn: Connection[Any], schema: str) -> Iterator[None]:
    """Begin a transaction that nothing hurries, and nothing in the user's search path misleads."""
    with conn.transaction():
        door.run_sync(conn, schema, "migrations_session")
        yield


@contextmanager
def turn(conn: Connection[Any], schema: str) -> Iterator[None]:
    """Begin a transaction in which nobody else migrates; what was read before may have changed."""
    with transaction(conn, schema):
        door.run_sync(conn, schema, "migrations_lock")
        yield
