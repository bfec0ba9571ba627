"""`Migration`: the schema from a program, in a transaction of its own or in the program's."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from baton import Migration
from baton.errors import ConfigurationError, DatabaseError, InvalidConnection
from tests.guests import django_alias, url
from tests.store.schema import (
    BACKWARDS,
    EVERYTHING,
    NEWEST,
    add_migration,
    add_two,
    ask,
    inventory,
    schemas,
)

pytestmark = pytest.mark.anyio


async def test_up_and_down_can_be_run_again(empty_database: str) -> None:
    assert await Migration.version(dsn=empty_database) is None
    assert await Migration.up(dsn=empty_database) == EVERYTHING
    assert await Migration.up(dsn=empty_database) == []
    assert await Migration.version(dsn=empty_database) == NEWEST
    assert await Migration.down(dsn=empty_database) == BACKWARDS
    assert await Migration.down(dsn=empty_database) == []
    assert schemas(empty_database) == {"public"}


def test_without_an_event_loop_it_is_the_same(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_DSN", empty_database)
    assert Migration.up_sync(prefix="app_2") == EVERYTHING
    assert Migration.version_sync(prefix="app_2") == NEWEST
    assert Migration.version_sync() is None
    assert schemas(empty_database) == {"public", "app_2"}
    assert Migration.down_sync(prefix="app_2") == BACKWARDS


def test_it_stops_at_a_version(empty_database: str, sql_files: Path) -> None:
    notes, texts = add_two(sql_files)
    Migration.up_sync(dsn=empty_database, to=NEWEST + 1)
    assert Migration.version_sync(dsn=empty_database) == NEWEST + 1
    assert Migration.up_sync(dsn=empty_database) == [texts, "routines"]
    assert Migration.down_sync(dsn=empty_database, to=NEWEST) == [texts, notes]
    assert Migration.version_sync(dsn=empty_database) == NEWEST


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("kind", ["psycopg", "session", "connection", "raw"])
def test_it_lives_and_dies_with_the_transaction_that_it_is_given(
    empty_database: str, database: str, kind: str, commits: bool, at_the_end: ExitStack
) -> None:
    engine = create_engine(url(empty_database))
    at_the_end.callback(engine.dispose)
    conn: Any = {
        "psycopg": lambda: psycopg.connect(empty_database),
        "session": lambda: Session(engine),
        "connection": engine.connect,
        "raw": engine.raw_connection,
    }[kind]()
    at_the_end.callback(conn.close)
    assert Migration.up_sync(conn=conn) == EVERYTHING
    assert Migration.version_sync(conn=conn) == NEWEST
    assert schemas(empty_database) == {"public"}
    conn.commit() if commits else conn.rollback()
    assert schemas(empty_database) == ({"public", "baton"} if commits else {"public"})
    if commits:
        assert inventory(empty_database) == inventory(database)
        assert Migration.down_sync(conn=conn) == BACKWARDS
        conn.commit()
        assert schemas(empty_database) == {"public"}


def test_a_migration_of_django_carries_it(empty_database: str) -> None:
    with django_alias(empty_database) as alias:
        with transaction.atomic(using=alias):
            assert Migration.up_sync(conn=connections[alias]) == EVERYTHING
        assert Migration.version_sync(conn=connections[alias]) == NEWEST


def test_the_rest_of_the_transaction_is_as_it_was(empty_database: str) -> None:
    shown = "select current_setting('search_path'), current_setting('statement_timeout')"
    with psycopg.connect(empty_database) as conn:
        conn.execute("set local statement_timeout = '7s'")
        conn.execute("create schema mine")
        conn.execute("set local search_path = mine")
        Migration.up_sync(conn=conn)
        assert conn.execute(shown).fetchone() == ("mine", "7s")
        conn.execute("create table things (id int)")
    assert ask(empty_database, "select count(*) from mine.things") == [(0,)]


def test_one_that_fails_leaves_the_transaction_usable(empty_database: str, sql_files: Path) -> None:
    add_migration(sql_files, "broken", "select 1 / 0;")
    with psycopg.connect(empty_database) as conn:
        conn.execute("create table mine (id int)")
        before = conn.execute("show search_path").fetchone()
        with pytest.raises(DatabaseError, match="broken failed and was undone: division by zero"):
            Migration.up_sync(conn=conn)
        assert conn.execute("show search_path").fetchone() == before
        conn.execute("insert into mine values (1)")
    assert ask(empty_database, "select id from public.mine") == [(1,)]


async def test_what_can_not_be_is_refused(empty_database: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no migration 999"):
        await Migration.up(dsn=empty_database, to=999)
    with pytest.raises(ConfigurationError, match="can't be used: a name of at most"):
        await Migration.up(dsn=empty_database, prefix="it's")
    with pytest.raises(InvalidConnection):
        Migration.up_sync(conn=object())
    with psycopg.connect(empty_database) as conn:
        with pytest.raises(ConfigurationError, match="dsn and conn exclude each other"):
            Migration.up_sync(dsn=empty_database, conn=conn)


def test_a_statement_of_sqlalchemy_goes_on_after_it(empty_database: str) -> None:
    engine = create_engine(url(empty_database))
    with engine.begin() as conn:
        Migration.up_sync(conn=conn)
        conn.execute(text("insert into baton.jobs (worker) values ('w')"))
    assert ask(empty_database, "select worker from baton.jobs") == [("w",)]
    engine.dispose()
