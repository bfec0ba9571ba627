"""The SQL that this Baton ships to make its schema: migrations and routines. Reads files only."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from baton.errors import ConfigurationError, MigrationChanged, SchemaTooNew
from baton.store import sql

ROUTINES = "routines"

_FILE = re.compile(r"(?P<version>\d{3})_\w+\.sql")
_CREATED = re.compile(r"^create or replace (?:function|procedure) baton\.(\w+)", re.MULTILINE)
_VIEW = re.compile(r"^create view baton\.(\w+)", re.MULTILINE)
_INDEX = re.compile(r"^create (?:unique )?index (\w+) on baton\.[^;]*(?=;)", re.MULTILINE)
_TABLE = re.compile(r"^create (?:unlogged )?table baton\.(\w+)", re.MULTILINE)


class Change(NamedTuple):
    """SQL that is applied as a whole and noted under a name."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the SQL as it is shipped, before it is written for another schema."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Migration:
    """A step of the schema.

    Attributes:
        version: its number.
        change: what makes the step, named after the file.
        undo: what takes it back.
    """

    version: int
    change: Change
    undo: str

    @property
    def name(self) -> str:
        """The name of the file without its ending."""
        return self.change.name


def migrations() -> list[Migration]:
    """Return the migrations, oldest first."""
    return [
        Migration(
            version=int(match["version"]),
            change=Change(path.stem, path.read_text("utf-8")),
            undo=path.with_suffix(".down.sql").read_text("utf-8"),
        )
        for path, match in _files()
    ]


def known() -> int:
    """Return the number of the newest migration."""
    return max(int(match["version"]) for _, match in _files())


def routines() -> Change:
    """Return all functions and procedures as one change."""
    files = sorted((sql.directory() / "routines").glob("*.sql"))
    return Change(ROUTINES, "\n".join(path.read_text("utf-8") for path in files))


def routine_names() -> list[str]:
    """Return the names of the functions and procedures."""
    return sorted(set(_CREATED.findall(routines().text)))


def table_names() -> list[str]:
    """Return the names of the tables that migrations make."""
    return sorted(set(_TABLE.findall(_everything())))


def index_statements() -> dict[str, str]:
    """Return what makes each index that is not part of a constraint, by its name."""
    return {found[1]: " ".join(found[0].split()) for found in _INDEX.finditer(_everything())}


def view_names() -> list[str]:
    """Return the names of the views that migrations make."""
    return sorted(set(_VIEW.findall(_everything())))


def bookkeeping() -> str:
    """Return what makes the table in which the applied changes are noted."""
    return (sql.directory() / "bookkeeping.sql").read_text("utf-8")


def newest(applied: Mapping[str, str]) -> int:
    """Return the newest version among the names of what was applied, 0 when there is none."""
    numbers = (re.match(r"\d+", name) for name in applied)
    return max((int(number[0]) for number in numbers if number), default=0)


def verify(schema: str, applied: Mapping[str, str]) -> None:
    """Check that what was applied, checksums by name, is what this Baton ships.

    Raises:
        SchemaTooNew: a newer Baton applied more.
        MigrationChanged: a migration had other contents.
    """
    if newest(applied) > known():
        raise SchemaTooNew(schema, newest(applied), known())
    checksums = {migration.name: migration.change.checksum for migration in migrations()}
    for name, checksum in applied.items():
        if name != ROUTINES and checksums.get(name) != checksum:
            raise MigrationChanged(name)


def missing(applied: Mapping[str, str], target: int) -> list[list[Change]]:
    """Return what leads from what was applied to a version, one list for each transaction."""
    transactions = [
        [migration.change]
        for migration in migrations()
        if migration.name not in applied and migration.version <= target
    ]
    replaced = routines()
    if target == known() and applied.get(ROUTINES) != replaced.checksum:
        if not transactions:
            transactions.append([])
        transactions[-1].append(replaced)
    return transactions


def _everything() -> str:
    return "\n".join(migration.change.text for migration in migrations())


def _files() -> list[tuple[Path, re.Match[str]]]:
    folder = sql.directory() / "migrations"
    found = [(path, _FILE.fullmatch(path.name)) for path in sorted(folder.glob("*.sql"))]
    files = [(path, match) for path, match in found if match]
    if not files:
        raise ConfigurationError(f"there are no migrations in {folder}; install Baton again")
    return files
