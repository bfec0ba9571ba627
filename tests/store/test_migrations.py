"""Migrations: forward and back, once each, by any number of processes at once."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from baton.embedded import EmbeddedServer
from baton.errors import (
    BatonError,
    ConfigurationError,
    DatabaseUnavailable,
    MigrationChanged,
    SchemaMissing,
    SchemaOutdated,
    SchemaTooNew,
)
from baton.store import migrations


@pytest.fixture
def conn(empty_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        yield conn


def objects(conn: psycopg.Connection[Any], schema: str) -> set[str]:
    """Everything that stands in a schema, described without the schema's name."""
    rows = conn.execute(
        """
        select pg_describe_object(classid, objid, 0) from (
          select 'pg_class'::regclass as classid, oid as objid from pg_class
            where relnamespace = to_regnamespace(%(schema)s)
          union all
          select 'pg_proc'::regclass, oid from pg_proc
            where pronamespace = to_regnamespace(%(schema)s)
          union all
          select 'pg_type'::regclass, oid from pg_type
            where typnamespace = to_regnamespace(%(schema)s)
        ) as object
        """,
        {"schema": schema},
    ).fetchall()
    return {row[0].replace(f"{schema}.", "") for row in rows}


def test_migrating_is_idempotent(empty_database: str) -> None:
    names = [migration.name for migration in migrations.shipped()]
    assert migrations.pending(empty_database) == [*names, "routines"]
    assert migrations.migrate(empty_database) == [*names, "routines"]
    assert migrations.migrate(empty_database) == []
    assert migrations.pending(empty_database) == []


def test_processes_that_migrate_at_once_apply_everything_once(empty_database: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: migrations.migrate(empty_database), range(8)))
    applied = [name for names in done for name in names]
    assert sorted(applied) == sorted([*(m.name for m in migrations.shipped()), "routines"])


def test_going_down_leaves_nothing(empty_database: str, conn: psycopg.Connection[Any]) -> None:
    before = objects(conn, "public")
    migrations.migrate(empty_database)
    assert migrations.down(empty_database) == [m.name for m in reversed(migrations.shipped())]
    row = conn.execute("select to_regnamespace('baton')").fetchone()
    assert row == (None,)
    assert objects(conn, "public") == before
    with pytest.raises(SchemaMissing):
        migrations.down(empty_database)
    assert migrations.migrate(empty_database)


def test_going_down_spares_what_others_keep_in_the_schema(
    empty_database: str, conn: psycopg.Connection[Any]
) -> None:
    conn.execute("create schema shared")
    conn.execute("create table shared.mine (id integer)")
    conn.execute("create function shared.advance() returns int language sql as 'select 1'")
    before = objects(conn, "shared")
    migrations.migrate(empty_database, schema="shared")
    migrations.down(empty_database, schema="shared")
    assert objects(conn, "shared") == before


def test_schemas_live_side_by_side_and_are_alike(
    empty_database: str, conn: psycopg.Connection[Any]
) -> None:
    migrations.migrate(empty_database)
    migrations.migrate(empty_database, schema="other")
    assert objects(conn, "other") == objects(conn, "baton")
    text = conn.execute("select prosrc from pg_proc where pronamespace = 'other'::regnamespace")
    assert not any("baton." in row[0] for row in text.fetchall())
    migrations.down(empty_database, schema="other")
    assert objects(conn, "baton")


@pytest.mark.parametrize("schema", ["baton", "other"])
def test_the_script_makes_the_same_schema(
    empty_database: str, conn: psycopg.Connection[Any], schema: str
) -> None:
    migrations.migrate(empty_database, schema=schema)
    expected = objects(conn, schema)
    migrations.down(empty_database, schema=schema)
    psql = [EmbeddedServer.binary("psql"), empty_database, "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(psql, input=migrations.script(schema=schema), text=True, check=True)
    assert objects(conn, schema) == expected
    assert migrations.pending(empty_database, schema=schema) == []


def test_a_changed_migration_is_refused(
    empty_database: str, conn: psycopg.Connection[Any]
) -> None:
    migrations.migrate(empty_database)
    conn.execute("update baton.migrations set checksum = 'x' where name like '001%'")
    with pytest.raises(MigrationChanged, match="001_initial"):
        migrations.migrate(empty_database)


def test_changed_routines_are_replaced(empty_database: str, conn: psycopg.Connection[Any]) -> None:
    migrations.migrate(empty_database)
    conn.execute("update baton.migrations set checksum = 'x' where name = 'routines'")
    assert migrations.pending(empty_database) == ["routines"]
    assert migrations.migrate(empty_database) == ["routines"]


def test_a_newer_database_is_refused(empty_database: str, conn: psycopg.Connection[Any]) -> None:
    migrations.migrate(empty_database)
    conn.execute("insert into baton.migrations (name, checksum) values ('999_later', 'x')")
    for change in (migrations.migrate, migrations.pending, migrations.down):
        with pytest.raises(SchemaTooNew, match="999"):
            change(empty_database)


def test_versions_are_compared() -> None:
    newest = migrations.known()
    migrations.require_current("baton", newest)
    with pytest.raises(SchemaMissing, match="run: baton migrate --schema other$"):
        migrations.require_current("other", 0)
    with pytest.raises(SchemaTooNew):
        migrations.require_current("baton", newest + 1)
    assert "run: baton migrate" in str(SchemaOutdated("baton", 1, 2))


@pytest.mark.parametrize("schema", ["Upper", "1st", "a-b", "", "x" * 60, "pg_own", 'a"b', "user"])
def test_a_schema_that_needs_quotes_is_refused(empty_database: str, schema: str) -> None:
    with pytest.raises(ConfigurationError, match="schema"):
        migrations.migrate(empty_database, schema=schema)


def test_an_unknown_version_is_refused(empty_database: str) -> None:
    with pytest.raises(ConfigurationError, match="no migration 99"):
        migrations.migrate(empty_database, to=99)


def test_a_failing_migration_leaves_nothing_of_itself(
    empty_database: str, conn: psycopg.Connection[Any]
) -> None:
    conn.execute("create schema baton")
    conn.execute("create table baton.queues (mine integer)")
    with pytest.raises(BatonError, match="queues"):
        migrations.migrate(empty_database)
    tables = conn.execute(
        "select relname from pg_class where relnamespace = 'baton'::regnamespace and relkind = 'r'"
    ).fetchall()
    assert {row[0] for row in tables} == {"queues", "migrations"}


def test_everything_that_people_read_is_explained(
    empty_database: str, conn: psycopg.Connection[Any]
) -> None:
    """A comment on every table, view and column."""
    migrations.migrate(empty_database)
    silent = conn.execute(
        """
        select relation.relname, attribute.attname
        from pg_class as relation
        join pg_attribute as attribute on attribute.attrelid = relation.oid
        where relation.relnamespace = 'baton'::regnamespace
          and relation.relkind in ('r', 'v')
          and attribute.attnum > 0
          and not attribute.attisdropped
          and (
            col_description(relation.oid, attribute.attnum) is null
            or obj_description(relation.oid, 'pg_class') is null
          )
        """
    ).fetchall()
    assert silent == []


def test_a_role_that_may_not_create_is_told(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("drop role if exists baton_reader")
        conn.execute("create role baton_reader login")
    reader = empty_database.replace("postgres@", "baton_reader@")
    try:
        with pytest.raises(BatonError, match="permission denied"):
            migrations.migrate(reader)
    finally:
        with psycopg.connect(empty_database, autocommit=True) as conn:
            conn.execute("drop role baton_reader")


def test_a_database_that_does_not_exist_is_told(empty_database: str) -> None:
    head, _, tail = empty_database.partition("?")
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        migrations.migrate(f"{head}_not?{tail}")
