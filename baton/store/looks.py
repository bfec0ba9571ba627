"""SQL that people read and paste: looks, which take no parameters, and what Baton itself runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from baton.errors import NotFound
from baton.store import door, sql
from baton.store.translation import translated

_FOLDERS = ("looks", "queries", "routines")
_COMMENT = "--"


@dataclass(frozen=True, slots=True)
class Text:
    """A file of SQL.

    Attributes:
        name: of the file, without its ending.
        kind: ``looks``, ``queries`` or ``routines``: the folder that it is in.
        text: what it says, written for a schema.
    """

    name: str
    kind: str
    text: str

    @property
    def summary(self) -> str:
        """The first sentence of its comment."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith(_COMMENT):
                break
            lines.append(line.removeprefix(_COMMENT).strip())
        return " ".join(lines).split(". ")[0].rstrip(".")


def looks(schema: str) -> list[Text]:
    """Return the looks, by name."""
    return [read(name, schema) for name in names("looks")]


def names(kind: str) -> list[str]:
    """Return the names of the files of a kind."""
    return sorted(path.stem for path in (sql.directory() / kind).glob("*.sql"))


def read(name: str, schema: str) -> Text:
    """Return the SQL of a name: a look, or else a query or a routine of Baton's own.

    Raises:
        NotFound: there is none.
    """
    known = {each: kind for kind in reversed(_FOLDERS) for each in names(kind)}
    if name not in known:
        near = get_close_matches(name, known, n=3) or names("looks")
        raise NotFound("SQL named", f"{name}; there is {', '.join(near)}")
    path = sql.directory() / known[name] / f"{name}.sql"
    return Text(name, known[name], sql.qualify(path.read_text("utf-8"), schema))


def run(
    look: Text, dsn: str, schema: str, *, timeout: float, pooled: bool = False
) -> tuple[list[str], Sequence[tuple[Any, ...]]]:
    """Run a look in a transaction that can change nothing; return its columns and rows.

    Raises:
        DatabaseError: the database refused or is away.
    """
    with (
        translated(schema),
        door.connect_sync(dsn, schema, timeout=timeout, name="baton sql", pooled=pooled) as conn,
        conn.transaction(),
    ):
        conn.execute(b"set transaction read only")
        cursor = conn.execute(look.text.encode())
        columns = [each.name for each in cursor.description or ()]
        return columns, cursor.fetchall()
