"""``baton migrate`` as a person runs it, on a terminal and without one."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import pytest
from psycopg.errors import InsufficientPrivilege

from baton.embedded import binary
from baton.store import migrations, shipped
from tests.roles import name_of, role
from tests.support import connection, rows, value

pytestmark = pytest.mark.anyio

MIGRATIONS = [migration.name for migration in shipped.migrations()]
EVERYTHING = [*MIGRATIONS, "routines"]


def baton(
    *words: str, dsn: str, answer: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command; with an answer, on a terminal at which that is typed."""
    command = [sys.executable, "-m", "baton", *words]
    env = {**os.environ, "BATON_DSN": dsn, **environment}
    if answer is None:
        return _run(command, env, subprocess.DEVNULL)
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, answer.encode())
        return _run(command, env, terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)


def _run(
    command: list[str], env: Mapping[str, str], stdin: int
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=env, stdin=stdin, capture_output=True, text=True, timeout=200, check=False
    )


async def insert(dsn: str, count: int) -> None:
    statement = "insert into baton.jobs (worker) select 'w' from generate_series(1, %s) returning 1"
    await rows(dsn, statement, count)


def test_what_is_done_goes_to_standard_output(empty_database: str) -> None:
    for words, said in (
        (["--check"], [f"pending {name}" for name in EVERYTHING]),
        ([], [f"applied {name}" for name in EVERYTHING]),
        ([], [f"schema baton is up to date at {migrations.known()}"]),
        (["--check"], [f"schema baton is up to date at {migrations.known()}"]),
        (["--down", "--yes"], [f"took back {name}" for name in reversed(MIGRATIONS)]),
        (["--to", "0"], ["schema baton is up to date at 0"]),
    ):
        assert baton("migrate", *words, dsn=empty_database).stdout.splitlines() == said


def test_check_exits_with_1_and_names_the_command(empty_database: str) -> None:
    ended = baton("migrate", "--check", "--schema", "app_2", dsn=empty_database)
    assert ended.returncode == 1
    assert ended.stderr == "schema app_2 is behind; run: baton migrate --schema app_2\n"


def test_down_on_nothing_is_no_error(empty_database: str) -> None:
    ended = baton("migrate", "--down", "--yes", dsn=empty_database)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == "schema baton has nothing to take back\n"


async def test_down_says_what_will_be_lost_and_takes_no_for_an_answer(database: str) -> None:
    await insert(database, 1_234)
    ended = baton("migrate", "--down", dsn=database, answer="n\n")
    assert ended.returncode == 1
    assert "1,234 jobs and 0 workflows will be lost" in ended.stderr
    assert ended.stdout == ""
    assert await value(database, "select count(*) from baton.jobs") == 1_234


async def test_down_goes_on_when_it_is_told_to(database: str) -> None:
    await insert(database, 1)
    ended = baton("migrate", "--down", dsn=database, answer="y\n")
    assert ended.returncode == 0
    assert ended.stdout == "".join(f"took back {name}\n" for name in reversed(MIGRATIONS))
    assert await value(database, "select to_regnamespace('baton') is null")


async def test_down_without_a_terminal_needs_a_yes(database: str) -> None:
    ended = baton("migrate", "--down", dsn=database)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: --down deletes jobs and workflows")
    assert await value(database, "select to_regclass('baton.jobs') is not null")


async def test_the_environment_can_say_all_that_flags_can(database: str) -> None:
    environment = {"BATON_MIGRATE_DOWN": "1", "BATON_YES": "1", "BATON_MIGRATE_TO": "0"}
    assert baton("migrate", dsn=database, **environment).returncode == 0
    assert await value(database, "select to_regclass('baton.jobs') is null")
    assert baton("migrate", dsn=database, BATON_MIGRATE_CHECK="1").returncode == 1
    printed = baton("migrate", dsn="postgresql://127.0.0.1:1/", BATON_MIGRATE_SQL="1")
    assert printed.stdout.startswith("begin;")


async def test_down_tells_what_it_left(database: str) -> None:
    async with connection(database) as conn:
        await conn.execute("create table baton.mine (id int)")
    ended = baton("migrate", "--down", "--yes", dsn=database)
    assert ended.returncode == 0
    assert "schema 'baton' was kept" in ended.stderr
    assert "table baton.mine depends on schema baton" in ended.stderr


def test_the_printed_sql_makes_the_schema(empty_database: str) -> None:
    printed = baton("migrate", "--sql", "--schema", "app_2", dsn="host=/nowhere")
    assert printed.returncode == 0
    subprocess.run(
        [binary("psql"), "-Xq1", "-v", "ON_ERROR_STOP=1", empty_database],
        input=printed.stdout,
        text=True,
        check=True,
        capture_output=True,
        timeout=200,
    )
    assert baton("migrate", "--check", "--schema", "app_2", dsn=empty_database).returncode == 0


async def test_a_role_is_granted_what_it_needs_and_shut_out_again(database: str) -> None:
    with role(database) as dsn:
        name = name_of(dsn)
        insert = "insert into baton.jobs (worker) values ('w') returning 1"
        ended = baton("migrate", "--grant", name, dsn=database)
        assert ended.stdout == f"role {name} may do in schema baton what a worker needs\n"
        assert await value(dsn, insert) == 1
        assert baton("migrate", "--grant", name, "--as", "reader", dsn=database).returncode == 0
        with pytest.raises(InsufficientPrivilege):
            await value(dsn, insert)
        printed = baton("migrate", "--grant", name, "--as", "client", "--sql", dsn="host=/nowhere")
        async with connection(database) as conn:
            await conn.execute(printed.stdout.encode())
        assert await value(dsn, insert) == 1
        assert baton("migrate", "--revoke", name, dsn=database).returncode == 0
        with pytest.raises(InsufficientPrivilege):
            await value(dsn, "select count(*) from baton.jobs")
        owner = await value(database, "select current_user::text")
        ended = baton("migrate", "--grant", owner, dsn=database)
        assert ended.stderr == f"note: role {owner} is a superuser: no rights limit it\n"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--grant", "nobody"], 2, "the server has no role 'nobody'"),
        (["--grant", "nobody", "--as", "king"], 2, "it is one of worker, client, reader"),
        (["--grant", "a", "--revoke", "b"], 2, "exclude each other"),
        (["--grant", "a", "--down"], 2, "exclude each other"),
        (["--schema", "user"], 2, "it is a keyword of SQL"),
        (["--schema", "it's"], 2, "a name of at most 48 bytes is needed, without control"),
        (["--to", "900"], 2, "there is no migration 900"),
        (["--to", "-1"], 2, "--to"),
        (["--to", "x"], 2, "--to"),
        (["--down", "--sql"], 2, "exclude each other"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    empty_database: str, words: list[str], code: int, sentence: str
) -> None:
    ended = baton("migrate", *words, dsn=empty_database)
    assert ended.returncode == code
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
