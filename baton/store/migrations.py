"""Makes and changes the schema.

Migrations, ``sql/migrations/NNN_name.sql``, go forward and never change: each runs once, in a
transaction of its own, and its checksum is kept. Routines, ``sql/routines/*.sql``, are replaced as
a whole whenever one of them changed, in a transaction of their own after the last migration. A
routine whose parameters change becomes a second one beside the first, so that processes of both
versions run during a deployment; a later migration drops the old one.

Everything happens under one advisory lock per schema: of two processes that migrate at once, the
second waits and finds nothing to do.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from baton.errors import (
    ConfigurationError,
    MigrationChanged,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
)
from baton.store import door, sql

ROUTINES = "routines"

_BOOKKEEPING = """\
create table if not exists baton.migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
);
comment on table baton.migrations is 'Which migrations were applied, and which routines are in
place.'; comment on column baton.migrations.name is 'The name of the migration, or ''routines''.';
comment on column baton.migrations.checksum is 'SHA-256 of what was applied.';
comment on column baton.migrations.applied_at is 'When it was applied.';
"""
_CREATED = re.compile(r"^create or replace (?:function|procedure) baton\.(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema.

    Attributes:
        version: its number.
        name: the file's name without its ending.
        up: what makes the step, written for the schema ``baton``.
        down: what takes it back.
    """

    version: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """SHA-256 of what makes the step."""
        return _checksum(self.up)


@cache
def shipped() -> tuple[Migration, ...]:
    """Return the migrations of this Baton, oldest first."""
    folder = sql.directory() / "migrations"
    files = sorted(path for path in folder.glob("*.sql") if not path.name.endswith(".down.sql"))
    return tuple(_read(path) for path in files)


def known() -> int:
    """Return the newest version that this Baton ships."""
    return shipped()[-1].version


def require_current(schema: str, found: int) -> None:
    """Check that a schema's version is the one that this Baton works with.

    Raises:
        SchemaMissing, SchemaOutdated, SchemaTooNew: it is not.
    """
    if found == 0:
        raise SchemaMissing(schema)
    if found < known():
        raise SchemaOutdated(schema, found, known())
    if found > known():
        raise SchemaTooNew(schema, found, known())


def migrate(dsn: str, *, schema: str = "baton", to: int | None = None) -> list[str]:
    """Bring a schema forward and return the names of what was applied.

    Args:
        dsn: where.
        schema: the schema; it is made when it is missing.
        to: the version to stop at; by default the newest.

    Raises:
        ConfigurationError: there is no such version, or the schema can't have that name.
        MigrationChanged: an applied migration is not the one that this Baton ships.
        SchemaTooNew: a newer Baton migrated it.
        DatabaseError: the database refused or is away.
    """
    target = _target(to)
    with _session(dsn, schema) as conn:
        _check_name(conn, schema)
        if _table(conn, schema):
            todo = _pending(conn, schema, target)
        else:
            with conn.transaction():
                _execute(conn, _bookkeeping(schema), schema)
            todo = _pending(conn, schema, target)
        for name, text, checksum in todo:
            with conn.transaction():
                _execute(conn, "set local check_function_bodies = off;\n" + text, schema)
                _record(conn, schema, name, checksum)
        return [name for name, _, _ in todo]


def pending(dsn: str, *, schema: str = "baton") -> list[str]:
    """Return the names of what `migrate` would apply.

    Raises:
        MigrationChanged, SchemaTooNew, DatabaseError: as `migrate` does.
    """
    with _session(dsn, schema) as conn:
        if not _table(conn, schema):
            return [migration.name for migration in shipped()] + [ROUTINES]
        return [name for name, _, _ in _pending(conn, schema, known())]


def down(dsn: str, *, schema: str = "baton", to: int = 0) -> list[str]:
    """Take migrations back, newest first, and return their names.

    At 0 nothing of Baton is left; the schema itself goes when nothing else is in it.

    Raises:
        ConfigurationError: there is no such version.
        SchemaMissing: there is nothing to take back.
        SchemaTooNew, DatabaseError: as `migrate` does.
    """
    target = _target(to)
    with _session(dsn, schema) as conn:
        if not _table(conn, schema):
            raise SchemaMissing(schema)
        applied = _applied(conn, schema)
        _refuse_newer(schema, applied)
        undone = [each for each in reversed(shipped()) if each.name in applied]
        undone = [each for each in undone if each.version > target]
        # routines first: they name the types that migrations made; the next migrate brings them
        # back
        with conn.transaction():
            _drop_routines(conn, schema)
            _forget(conn, schema, ROUTINES)
        for migration in undone:
            with conn.transaction():
                _execute(conn, migration.down, schema)
                _forget(conn, schema, migration.name)
        if target == 0:
            _drop_schema(conn, schema)
        return [migration.name for migration in undone]


def count_jobs(dsn: str, *, schema: str = "baton") -> int:
    """Return how many jobs a schema holds.

    Raises:
        SchemaMissing: it has no tables of Baton.
        DatabaseError: the database refused or is away.
    """
    with _session(dsn, schema) as conn:
        row = conn.execute(
            sql.qualify("select count(*) from baton.jobs", schema).encode()
        ).fetchone()
    return int(row[0]) if row else 0


def script(*, schema: str = "baton", to: int | None = None) -> str:
    """Return the SQL that makes the schema in an empty database, to be read or given to psql.

    Raises:
        ConfigurationError: there is no such version, or the schema can't have that name.
    """
    target = _target(to)
    steps = [(m.name, m.up, m.checksum) for m in shipped() if m.version <= target]
    if target == known():
        steps.append((ROUTINES, *_routines()))
    sql.check_schema(schema)
    parts = ["begin;", "set local check_function_bodies = off;", _bookkeeping(schema)]
    for name, text, checksum in steps:
        record = f"insert into baton.migrations (name, checksum) values ('{name}', '{checksum}');"
        parts += [f"-- {name}", text, record]
    return sql.qualify("\n".join([*parts, "commit;", ""]), schema)


def _bookkeeping(schema: str) -> str:
    return f"create schema if not exists {schema};\n{_BOOKKEEPING}"


def _read(path: Path) -> Migration:
    return Migration(
        version=int(path.name.partition("_")[0]),
        name=path.stem,
        up=path.read_text("utf-8"),
        down=path.with_suffix(".down.sql").read_text("utf-8"),
    )


@cache
def _routines() -> tuple[str, str]:
    """All routines as one text, and its checksum."""
    files = sorted((sql.directory() / ROUTINES).glob("*.sql"))
    text = "\n".join(path.read_text("utf-8") for path in files)
    return text, _checksum(text)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _target(to: int | None) -> int:
    if to is None:
        return known()
    if to not in {0, *(migration.version for migration in shipped())}:
        raise ConfigurationError(f"there is no migration {to}; this Baton knows 1 to {known()}")
    return to


@contextmanager
def _session(dsn: str, schema: str) -> Iterator[Connection[Any]]:
    sql.check_schema(schema)
    with (
        door.translated(schema),
        Connection.connect(
            door.conninfo(dsn, application_name="baton migrate"), autocommit=True
        ) as conn,
    ):
        # the connection ends with the block, and the lock with it
        conn.execute("select pg_advisory_lock(hashtext('baton.migrate'), hashtext(%s))", (schema,))
        yield conn


def _check_name(conn: Connection[Any], schema: str) -> None:
    query = "select 1 from pg_get_keywords() where word = %s and catcode in ('R', 'T')"
    if conn.execute(query, (schema,)).fetchone():
        raise ConfigurationError(f"schema {schema!r} can't be used: it is a keyword of SQL")


def _table(conn: Connection[Any], schema: str) -> bool:
    row = conn.execute("select to_regclass(%s) is not null", (f"{schema}.migrations",)).fetchone()
    return row is not None and bool(row[0])


def _applied(conn: Connection[Any], schema: str) -> dict[str, str]:
    query = sql.qualify("select name, checksum from baton.migrations", schema)
    return dict(conn.execute(query.encode()).fetchall())


def _refuse_newer(schema: str, applied: dict[str, str]) -> None:
    versions = [int(name.partition("_")[0]) for name in applied if name != ROUTINES]
    newest = max(versions, default=0)
    if newest > known():
        raise SchemaTooNew(schema, newest, known())


def _pending(conn: Connection[Any], schema: str, target: int) -> list[tuple[str, str, str]]:
    applied = _applied(conn, schema)
    _refuse_newer(schema, applied)
    todo = []
    for migration in shipped():
        if migration.name not in applied:
            todo.append((migration.name, migration.up, migration.checksum))
        elif applied[migration.name] != migration.checksum:
            raise MigrationChanged(migration.name)
    todo = todo[: max(0, target - (known() - len(todo)))]
    text, checksum = _routines()
    if target == known() and applied.get(ROUTINES) != checksum:
        todo.append((ROUTINES, text, checksum))
    return todo


def _execute(conn: Connection[Any], text: str, schema: str) -> None:
    conn.execute(sql.qualify(text, schema).encode())


def _record(conn: Connection[Any], schema: str, name: str, checksum: str) -> None:
    query = """
      insert into baton.migrations (name, checksum) values (%s, %s)
      on conflict (name) do update set checksum = excluded.checksum, applied_at = now()
    """
    conn.execute(sql.qualify(query, schema).encode(), (name, checksum))


def _forget(conn: Connection[Any], schema: str, name: str) -> None:
    query = sql.qualify("delete from baton.migrations where name = %s", schema)
    conn.execute(query.encode(), (name,))


def _drop_routines(conn: Connection[Any], schema: str) -> None:
    ours = _CREATED.findall(_routines()[0])
    query = """
      select oid::regprocedure::text from pg_proc
      where pronamespace = %s::regnamespace and proname = any (%s)
    """
    for (signature,) in conn.execute(query, (schema, ours)).fetchall():
        conn.execute(f"drop routine {signature}".encode())


def _drop_schema(conn: Connection[Any], schema: str) -> None:
    _execute(conn, "drop table baton.migrations", schema)
    try:
        conn.execute(f"drop schema {schema}".encode())
    except psycopg.errors.DependentObjectsStillExist:
        return  # somebody keeps other things in it
