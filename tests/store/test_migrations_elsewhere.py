"""The schema in places that are not ours alone: other schemas, other roles, psql."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from baton.embedded import binary
from baton.errors import ConfigurationError, DatabaseError, DatabaseUnavailable
from baton.store import sql
from baton.store.migrations import down, migrate, pending, script, version
from tests.store.schema import (
    BACKWARDS,
    EVERYTHING,
    NEWEST,
    add_two,
    ask,
    inventory,
    schemas,
)


def test_two_schemas_live_side_by_side(database: str) -> None:
    assert migrate(database, schema="app_2") == EVERYTHING
    assert inventory(database, "app_2") == inventory(database)
    source = "select count(*) from pg_proc where prosrc ~ '\\mbaton\\.' and pronamespace = %s"
    [(oid,)] = ask(database, "select 'app_2'::regnamespace::oid")
    assert ask(database, source, [oid]) == [(0,)]
    down(database, schema="app_2")
    assert schemas(database) == {"public", "baton"}
    assert version(database) == NEWEST
    assert version(database, schema="app_2") is None


def test_what_others_keep_in_the_schema_survives(empty_database: str) -> None:
    ask(empty_database, "create schema baton")
    ask(empty_database, "create table baton.mine as select 1 as id")
    ask(empty_database, "create function baton.mine() returns int language sql as 'select 1'")
    migrate(empty_database)
    undone = down(empty_database)
    assert undone.names == BACKWARDS
    assert undone.notice is not None
    assert "schema 'baton' was kept" in undone.notice
    assert "table baton.mine" in undone.notice
    assert ask(empty_database, "select id, baton.mine() from baton.mine") == [(1, 1)]
    assert migrate(empty_database) == EVERYTHING


def test_a_view_that_somebody_built_on_a_table_stops_down_before_anything_is_lost(
    database: str,
) -> None:
    ask(database, "create view public.report as select id from baton.jobs")
    before = inventory(database)
    with pytest.raises(DatabaseError, match=r"cannot drop .*view public\.report depends on"):
        down(database)
    assert inventory(database) == before


def test_the_schema_public_may_be_used_and_stays(empty_database: str) -> None:
    assert migrate(empty_database, schema="public") == EVERYTHING
    undone = down(empty_database, schema="public")
    assert (undone.names, undone.notice) == (BACKWARDS, None)
    assert schemas(empty_database) == {"public"}


@pytest.mark.parametrize(
    "schema", ["user", "select", "left", "values", "time", "loop", "begin", "strict"]
)
def test_keywords_are_refused_as_schemas(empty_database: str, schema: str) -> None:
    for refused in (migrate, pending, down):
        with pytest.raises(ConfigurationError, match=f"schema '{schema}' .* keyword of SQL"):
            refused(empty_database, schema=schema)
    assert schemas(empty_database) == {"public"}


# names that the routines use for variables and aliases, and keywords that stand in nobody's way
@pytest.mark.parametrize("schema", ["job", "jobs", "step", "release", "ids", "data", "queue", "x"])
def test_other_words_are_schemas_like_any_other(empty_database: str, schema: str) -> None:
    migrate(empty_database, schema=schema)
    query = f"select released, events, complete from {schema}.advance_workflows('{{1}}')"
    assert ask(empty_database, query) == [([], [], True)]
    down(empty_database, schema=schema)


@pytest.mark.parametrize("schema", ["", "it's", "pg_x", "x" * 49, "a$b", "%s"])
def test_names_that_would_spoil_a_statement_are_refused(empty_database: str, schema: str) -> None:
    with pytest.raises(ConfigurationError, match="can't be used"):
        migrate(empty_database, schema=schema)
    with pytest.raises(ConfigurationError, match="can't be used"):
        script(schema=schema)


def psql(dsn: str, statements: str) -> None:
    subprocess.run(
        [binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", dsn],
        input=statements,
        text=True,
        check=True,
        capture_output=True,
        timeout=240,
    )


@pytest.mark.parametrize("schema", ["baton", "app_2"])
def test_the_script_makes_what_migrate_makes(
    empty_database: str, database: str, schema: str
) -> None:
    psql(empty_database, script(schema=schema))
    assert inventory(empty_database, schema) == inventory(database)
    assert pending(empty_database, schema=schema) == []


def test_the_script_stops_at_a_version(empty_database: str, sql_files: Path) -> None:
    _, texts = add_two(sql_files)
    psql(empty_database, script(to=NEWEST + 1))
    assert version(empty_database) == NEWEST + 1
    assert pending(empty_database) == [texts, "routines"]


def test_the_script_changes_nothing_where_there_is_something(database: str) -> None:
    before = inventory(database)
    with pytest.raises(subprocess.CalledProcessError):
        psql(database, script())
    assert inventory(database) == before


@contextmanager
def role(dsn: str, grant: str = "") -> Iterator[str]:
    """A role without rights but the given one, and the DSN with which to act as it."""
    name = f"baton_test_{uuid4().hex[:12]}"
    ask(dsn, f"create role {name}")
    try:
        ask(dsn, grant.format(role=name) or "select 1")
        yield make_conninfo(dsn, options=f"-c role={name}")
    finally:
        ask(dsn, f"drop owned by {name}")
        ask(dsn, f"drop role {name}")


def test_a_role_without_rights_is_told_so(empty_database: str) -> None:
    with role(empty_database) as dsn:
        with pytest.raises(DatabaseError, match="permission denied for database"):
            migrate(dsn)


def test_a_role_that_was_given_a_schema_can_migrate_it(empty_database: str) -> None:
    with role(empty_database, "create schema baton authorization {role}") as dsn:
        assert migrate(dsn) == EVERYTHING
        assert down(dsn).notice is None
        assert schemas(empty_database) == {"public"}


def test_a_role_that_may_only_use_a_schema_leaves_it(empty_database: str) -> None:
    ask(empty_database, "create schema baton")
    with role(empty_database, "grant create, usage on schema baton to {role}") as dsn:
        assert migrate(dsn) == EVERYTHING
        notice = down(dsn).notice
        assert notice is not None
        assert "must be owner of schema baton" in notice


def test_another_role_may_look_at_the_version_only_when_it_may_use_the_schema(
    database: str,
) -> None:
    with role(database) as dsn:
        with pytest.raises(DatabaseError, match="permission denied for schema baton"):
            version(dsn)


def test_settings_of_the_user_do_not_reach_the_migrations(empty_database: str) -> None:
    ask(empty_database, "create schema decoy")
    ask(empty_database, "create function decoy.now() returns text language sql as 'select ''x'''")
    options = "-c search_path=decoy,pg_catalog -c statement_timeout=1h"
    assert migrate(make_conninfo(empty_database, options=options)) == EVERYTHING
    assert len(inventory(empty_database)) > 100


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"dbname": "missing"}, 'database "missing" does not exist'),
        ({"host": "127.0.0.1", "port": 1}, "port 1 failed: Connection refused"),
        ({"host": "/nowhere"}, "No such file or directory"),
    ],
)
def test_a_server_that_can_not_be_reached_is_one_sentence(
    empty_database: str, parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match=sentence) as caught:
        migrate(make_conninfo(empty_database, **parameters))
    assert "\n" not in str(caught.value)


def test_looking_for_the_version_spares_the_transaction_that_it_is_a_part_of(
    empty_database: str,
) -> None:
    query = sql.query("schema_version", "baton").encode()
    with psycopg.connect(empty_database) as conn:
        assert conn.execute(query).fetchall() == [(None,)]
        assert conn.execute("select 1").fetchall() == [(1,)]
