"""Makes the schema, and brings it from one version to the next and back.

Migrations, ``sql/migrations/NNN_name.sql`` with ``NNN_name.down.sql``, go forward and never change
once they were released: each runs once, in a transaction of its own, and its checksum is kept. So
a migration can't use what PostgreSQL refuses in a transaction (``create index concurrently``).

Routines, ``sql/routines/*.sql``, are replaced as a whole whenever one of them changed, after the
last migration and in its transaction. ``create or replace`` gives the rules for changing one:

- Other contents: edit the file. Processes of the version before call the new contents from then on.
- Other parameters: the old routine stays beside the new one, as an overload, so that processes of
  both versions run during a deployment. A migration of a later release drops it, by its signature.
- Other results of the same parameters: not possible; give it another name.
- Not needed any more: delete the file, and let a migration of a later release drop the routine.
- What this Baton's own code can't do without comes with a migration, if an empty one: processes
  compare version numbers before they start, not routines.

A migration can't call a routine: in an empty database there are none yet.

Every transaction takes one advisory lock per schema, and then looks what there is to do: of two
processes that migrate at once, the second waits and finds nothing left. What was made is opened in
the same transaction to the roles that may use the schema already (see `grants`).

Instead of a DSN everything here takes a connection that the program has opened: its transaction
then holds all of it, the lock too, and nothing is committed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from baton.errors import (
    ConfigurationError,
    DatabaseError,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
)
from baton.store import door, grants, shipped, sql, turns
from baton.store.shipped import ROUTINES, Change, Migration, known
from baton.store.turns import Place

__all__ = [
    "Losses",
    "Place",
    "Undone",
    "down",
    "known",
    "losses",
    "migrate",
    "pending",
    "require_current",
    "script",
    "version",
]


@dataclass(frozen=True, slots=True)
class Undone:
    """What `down` did.

    Attributes:
        names: the migrations that were taken back, newest first.
        notice: what was left in place and why, if anything was.
    """

    names: list[str]
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class Losses:
    """What `down` would take back.

    Attributes:
        names: the migrations, newest first.
        jobs: how many jobs would be lost.
        workflows: how many workflows would be lost.
        processes: how many worker processes are alive.
    """

    names: list[str]
    jobs: int = 0
    workflows: int = 0
    processes: int = 0


def require_current(schema: str, found: int | None) -> None:
    """Check that a schema's version, from ``schema_version.sql``, is the one that Baton works with.

    Raises:
        SchemaMissing: there is none.
        SchemaOutdated, SchemaTooNew: it is another one.
    """
    if not found:
        raise SchemaMissing(schema)
    if found < known():
        raise SchemaOutdated(schema, found, known())
    if found > known():
        raise SchemaTooNew(schema, found, known())


def migrate(place: Place, *, schema: str = "baton", to: int | None = None) -> list[str]:
    """Bring a schema forward and return the names of what was applied.

    Args:
        place: where, a DSN or an open connection.
        schema: the schema; it is made when it is missing.
        to: the version to stop at, by default the newest. Only the newest has routines.

    Raises:
        ConfigurationError: there is no such version, or the schema is beyond it, or can't have
            its name.
        MigrationChanged: an applied migration is not the one that this Baton ships.
        SchemaTooNew: a newer Baton migrated it.
        DatabaseError: the database refused or is away. Migrations before the one that failed stay.
    """
    target = _target(to)
    names: list[str] = []
    with turns.connected(place, schema) as conn:
        left = 1
        while left > 0:
            with turns.turn(conn, schema):
                applied, left = _forward(conn, schema, target)
            names += applied
    return names


def pending(place: Place, *, schema: str = "baton", to: int | None = None) -> list[str]:
    """Return the names of what `migrate` would apply; change nothing and wait for nobody.

    Raises:
        ConfigurationError, MigrationChanged, SchemaTooNew, DatabaseError: as `migrate` does.
    """
    target = _target(to)
    with turns.connected(place, schema) as conn, turns.transaction(conn, schema):
        applied = _applied(conn, schema, _facts(conn, schema))
        changes = shipped.missing(applied, target)
    return [change.name for transaction in changes for change in transaction]


def version(place: Place, *, schema: str = "baton") -> int | None:
    """Return the version of a schema, ``None`` when it was not migrated.

    Raises:
        DatabaseError: the database refused or is away.
    """
    with turns.connected(place, schema) as conn, turns.transaction(conn, schema):
        [(found,)] = door.run_sync(conn, schema, "schema_version")
    return None if found is None else int(found)


def losses(place: Place, *, schema: str = "baton", to: int = 0) -> Losses:
    """Return what `down` would take back; change nothing and wait for nobody.

    Raises:
        ConfigurationError, MigrationChanged, SchemaTooNew, DatabaseError: as `down` does.
    """
    target = _target(to)
    with turns.connected(place, schema) as conn, turns.transaction(conn, schema):
        steps = _undone(_applied(conn, schema, _facts(conn, schema)), target)
        if target > 0 or not steps:
            return Losses([step.name for step in steps])
        [row] = door.run_sync(conn, schema, "schema_contents")
        return Losses([step.name for step in steps], *row)


def down(place: Place, *, schema: str = "baton", to: int = 0) -> Undone:
    """Take migrations back, newest first; at 0 all of Baton goes, with every job.

    The schema goes too, unless something else is in it. Routines go before the first step,
    whichever it is: they name the types that migrations made. `migrate` brings them back.

    Raises:
        ConfigurationError: there is no such version.
        MigrationChanged, SchemaTooNew, DatabaseError: as `migrate` does.
    """
    target = _target(to)
    names: list[str] = []
    notice = None
    with turns.connected(place, schema) as conn:
        left = 1
        while left > 0:
            with turns.turn(conn, schema):
                facts = _facts(conn, schema)
                steps = _undone(_applied(conn, schema, facts), target)
                left = len(steps) - 1
                if steps:
                    _take_back(conn, schema, steps[0])
                if left <= 0 and target == 0 and facts.migrated:
                    notice = _end_bookkeeping(conn, schema)
            names += [step.name for step in steps[:1]]
    return Undone(names, notice)


def script(*, schema: str = "baton", to: int | None = None) -> str:
    """Return the SQL that `migrate` would run on an empty database, for psql or for reading.

    Raises:
        ConfigurationError: there is no such version, or the schema can't have its name.
    """
    sql.check_schema(schema)
    target = _target(to)
    parts = [
        "begin;",
        f"-- Makes Baton's tables, version {target}, in a database without them.",
        "set local search_path = pg_catalog;",
        "set local check_function_bodies = off;",
        f"create schema if not exists {sql.quoted(schema)};\n",
        shipped.bookkeeping(),
    ]
    for changes in shipped.missing({}, target):
        for change in changes:
            note = f"values ('{change.name}', '{change.checksum}');\n"
            parts += [change.text, f"insert into baton.migrations (name, checksum) {note}"]
    return sql.qualify("\n".join([*parts, "commit;\n"]), schema)


class _Facts(NamedTuple):
    reserved: bool
    present: bool
    migrated: bool


def _target(to: int | None) -> int:
    if to is None:
        return known()
    if to not in {0, *(migration.version for migration in shipped.migrations())}:
        raise ConfigurationError(
            f"there is no migration {to}; this Baton knows those up to {known()}"
        )
    return to


def _undone(applied: Mapping[str, str], target: int) -> list[Migration]:
    newest_first = reversed(shipped.migrations())
    return [step for step in newest_first if step.name in applied and step.version > target]


def _forward(conn: Connection[Any], schema: str, target: int) -> tuple[list[str], int]:
    """Apply what comes next; return the names, and how many transactions are left."""
    facts = _facts(conn, schema)
    applied = _applied(conn, schema, facts)
    if (newest := shipped.newest(applied)) > target:
        raise ConfigurationError(
            f"schema {schema!r} is at migration {newest}, beyond {target}; to go back, run: "
            f"baton migrate --down --to {target}"
        )
    transactions = shipped.missing(applied, target)
    if not transactions:
        return [], 0
    if not facts.migrated:
        _begin_bookkeeping(conn, schema, present=facts.present)
    for change in transactions[0]:
        _apply(conn, schema, change)
    grants.renew(conn, schema)
    return [change.name for change in transactions[0]], len(transactions) - 1


def _take_back(conn: Connection[Any], schema: str, step: Migration) -> None:
    _drop_routines(conn, schema)
    _execute(conn, schema, f"taking back {step.name}", step.undo)
    door.run_sync(conn, schema, "migration_forget", {"name": step.name})


def _facts(conn: Connection[Any], schema: str) -> _Facts:
    [row] = door.run_sync(conn, schema, "schema_facts", {"schema": schema})
    facts = _Facts(*row)
    if facts.reserved:
        raise ConfigurationError(
            f"schema {schema!r} can't be used: it is a keyword of SQL; choose another name"
        )
    return facts


def _applied(conn: Connection[Any], schema: str, facts: _Facts) -> dict[str, str]:
    """Return checksums by name, once it is certain that they are this Baton's."""
    rows = door.run_sync(conn, schema, "migrations_applied") if facts.migrated else []
    applied = {str(name): str(checksum) for name, checksum in rows}
    shipped.verify(schema, applied)
    return applied


def _begin_bookkeeping(conn: Connection[Any], schema: str, *, present: bool) -> None:
    # "if not exists" asks for the right to create schemas even when there is nothing to create
    create = "" if present else f"create schema {sql.quoted(schema)};\n"
    _execute(conn, schema, "the table of migrations", create + shipped.bookkeeping())


def _end_bookkeeping(conn: Connection[Any], schema: str) -> str | None:
    """Drop the table of migrations and the schema; say why, when the schema stays."""
    _execute(conn, schema, "dropping the table of migrations", "drop table baton.migrations")
    if schema == "public":
        return None  # it is the database's
    try:
        with conn.transaction():
            conn.execute(SQL("drop schema {}").format(Identifier(schema)))
    except (
        psycopg.errors.DependentObjectsStillExist,
        psycopg.errors.InsufficientPrivilege,
    ) as error:
        return f"schema {schema!r} was kept: {_reason(error)}"
    return None


def _apply(conn: Connection[Any], schema: str, change: Change) -> None:
    if change.name == ROUTINES:
        conn.execute("set local check_function_bodies = off")
    _execute(conn, schema, change.name, change.text)
    params = {"name": change.name, "checksum": change.checksum}
    door.run_sync(conn, schema, "migration_record", params)


def _drop_routines(conn: Connection[Any], schema: str) -> None:
    params = {"schema": schema, "names": shipped.routine_names()}
    signatures = [row[0] for row in door.run_sync(conn, schema, "routines_find", params)]
    if signatures:
        drop = f"drop routine {', '.join(signatures)}"
        _execute(conn, schema, "dropping the routines", drop)
    door.run_sync(conn, schema, "migration_forget", {"name": ROUTINES})


def _execute(conn: Connection[Any], schema: str, what: str, text: str) -> None:
    try:
        conn.execute(sql.qualify(text, schema).encode())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise DatabaseError(f"{what} failed and was undone: {_reason(error)}") from error


def _reason(error: psycopg.Error) -> str:
    """Return what the server says, together with what stands in the way if something does."""
    said = error.diag.message_primary or str(error)
    if isinstance(error, psycopg.errors.DependentObjectsStillExist) and error.diag.message_detail:
        return f"{said}: {'; '.join(error.diag.message_detail.splitlines())}"
    return said
