"""Databases of their own for tests: made on a server, and taken away again."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

from psycopg import Connection
from psycopg.conninfo import make_conninfo

from baton.store import door


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
    _run(server, f'create database "{name}" template "{template}"')
    try:
        yield name
    finally:
        _run(server, f'drop database if exists "{name}" with (force)')


def address(server: str, name: str) -> str:
    """Return the DSN of another database of a server, in the form in which the server's is."""
    if "://" in server:
        return urlunsplit(urlsplit(server)._replace(path=f"/{quote(name)}"))
    return make_conninfo(server, dbname=name)


def _run(server: str, statement: str) -> None:
    with (
        door.translated("baton"),
        Connection.connect(door.conninfo(server), autocommit=True) as conn,
    ):
        conn.execute(statement.encode())
