"""Finds the SQL files and writes them for a schema.

The files say ``baton.`` literally, so that one can be pasted into psql; another schema replaces the
qualifier wherever it stands, the names of channels included.
"""

import re
from functools import cache
from pathlib import Path

from baton.errors import ConfigurationError

_QUALIFIER = re.compile(r"\bbaton\.")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")


@cache
def directory() -> Path:
    """Return the folder of the SQL files: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


def check_schema(schema: str) -> str:
    """Return a schema's name that needs no quoting.

    Raises:
        ConfigurationError: it is not one.
    """
    if not _SCHEMA.fullmatch(schema) or schema.startswith(("pg_", "information_schema")):
        raise ConfigurationError(
            f"schema {schema!r} can't be used: a name of at most 48 lowercase letters, digits and "
            f"underscores is needed, not beginning with a digit or pg_"
        )
    return schema


def qualify(text: str, schema: str) -> str:
    """Replace the qualifier ``baton.`` by another schema."""
    return text if schema == "baton" else _QUALIFIER.sub(f"{schema}.", text)


@cache
def query(name: str, schema: str) -> str:
    """Return the statement of ``sql/queries/<name>.sql`` for a schema."""
    return qualify((directory() / "queries" / f"{name}.sql").read_text("utf-8"), schema)
