"""Roles of the server that can log in, as an administrator makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from baton.store import grants


@contextmanager
def role(dsn: str, access: grants.Access | None = None, *, schema: str = "baton") -> Iterator[str]:
    """A role that was granted what its kind needs, and the DSN with which it logs in.

    Its name is one that must be quoted.
    """
    name, password = f'Baton "{uuid4().hex[:8]}"', uuid4().hex
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            SQL("create role {} login password {}").format(Identifier(name), Literal(password))
        )
        try:
            if access is not None:
                grants.grant(dsn, name, access, schema=schema)
            yield make_conninfo(dsn, user=name, password=password)
        finally:
            conn.execute(SQL("drop owned by {}").format(Identifier(name)))
            conn.execute(SQL("drop role {}").format(Identifier(name)))


def name_of(dsn: str) -> str:
    """The user of a DSN."""
    return psycopg.conninfo.conninfo_to_dict(dsn)["user"]  # type: ignore[return-value]
