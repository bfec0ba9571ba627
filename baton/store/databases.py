"""Databases of their own for tests: made on a server, and taken away again."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.errors import ObjectInUse
from psycopg.sql import SQL, Composed, Identifier

from baton.store import dsns
from baton.store.translation import translated

PATIENCE = 30.0  # seconds; a session that was told to end may get no time to, nor may autovacuum


@contextmanager
def fresh(server: str, *, template: str = "template1") -> Iterator[str]:
    """Make a database, give its name, and drop it in the end, whoever is still connected.

    Args:
        server: the DSN of a database of the server; its user may create databases.
        template: the name of the database to copy; nobody may be connected to it.

    Raises:
        DatabaseError: the server refuses, or does not answer.
    """
    name = f"baton_test_{uuid4().hex[:16]}"
    _run(
        server,
        SQL("create database {} template {}").format(Identifier(name), Identifier(template)),
    )
    try:
        yield name
    finally:
        _run(server, SQL("drop database if exists {} with (force)").format(Identifier(name)))


def address(server: str, name: str) -> str:
    """Return the DSN of another database of a server, in the form in which the server's is."""
    if "://" in server:
        return urlunsplit(urlsplit(server)._replace(path=f"/{quote(name)}"))
    return make_conninfo(server, dbname=name)


def _run(server: str, statement: Composed) -> None:
    """Run a statement that ends who is connected, or waits for it: each try does for 5 s."""
    give_up = monotonic() + PATIENCE
    with (
        translated("baton"),
        Connection.connect(dsns.conninfo(server), autocommit=True) as conn,
    ):
        while True:
            try:
                conn.execute(statement)
            except ObjectInUse:
                if monotonic() > give_up:
                    raise
            else:
                return
