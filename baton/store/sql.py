"""Finds the SQL files and writes them for a schema.

The files say ``baton.`` literally, so that one can be pasted into psql; another schema replaces the
qualifier wherever it stands, the names of channels included. It is quoted if it needs to be, and
the same in literals: so it can't hold what has a meaning there.
"""

import re
from functools import cache, lru_cache
from pathlib import Path

from baton.errors import ConfigurationError

_QUALIFIER = re.compile(r"\bbaton\.")
FILTER = "/* filter */"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_SPOILING = frozenset("'\\$%")  # they end a literal or a routine's text, or begin a parameter
_LONGEST = 48  # bytes: names of channels have at most 63


@cache
def directory() -> Path:
    """Return the folder of the SQL files: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


def check_schema(schema: str) -> str:
    """Return a schema's name that a schema of Baton's tables may have.

    Raises:
        ConfigurationError: it is not one.
    """
    if not _is_usable(schema):
        raise ConfigurationError(
            f"schema {schema!r} can't be used: a name of at most {_LONGEST} bytes is needed, "
            f"without control characters, ', \\, $ and %, and not beginning with pg_"
        )
    return schema


def _is_usable(schema: str) -> bool:
    if _PLAIN.fullmatch(schema):
        return not schema.startswith(("pg_", "information_schema"))
    return (
        schema.isprintable()  # encodable, too
        and 0 < len(schema.replace('"', '""').encode()) <= _LONGEST
        and not _SPOILING & set(schema)
        and not schema.startswith("pg_")
    )


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def qualify(text: str, schema: str) -> str:
    """Replace the qualifier ``baton.`` by another schema."""
    if schema == "baton":
        return text
    qualifier = f"{quoted(schema)}."
    return _QUALIFIER.sub(lambda _: qualifier, text)


@cache
def query(name: str, schema: str) -> str:
    """Return the statement of ``sql/queries/<name>.sql`` for a schema."""
    return qualify((directory() / "queries" / f"{name}.sql").read_text("utf-8"), schema)


@lru_cache(maxsize=1_024)
def encoded(name: str, schema: str, where: str = "") -> bytes:
    """Return what `query` does as bytes, always the same object: drivers look it up by its hash.

    Args:
        name: of the query.
        schema: the schema.
        where: conditions that take the place of `FILTER`, as `baton.store.matching` writes them.
    """
    text = query(name, schema)
    return (text.replace(FILTER, qualify(where, schema)) if where else text).encode()
