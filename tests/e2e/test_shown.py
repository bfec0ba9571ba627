"""What the looking commands print: whole in a pipe, fitted on a terminal, and inert everywhere."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from baton import SyncClient
from baton.jobs import Job
from baton.states import State
from baton.workflows import Workflow
from tests.support import done, ended, job, process, rows

pytestmark = pytest.mark.anyio

HOSTILE = "[red]x[/red]\x1b]0;owned\x07\x1b[31m\n\u202eé\u009b2J"
ESCAPES = {"\x1b", "\x07", "\u202e", "\u009b"}


def baton(
    *words: str, dsn: str, encoding: str = "utf-8", **environment: str
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BATON_DSN": dsn, "PYTHONIOENCODING": encoding, **environment}
    command = [sys.executable, "-m", "baton", *words]
    return subprocess.run(
        command,
        env=env,
        capture_output=True,
        timeout=200,
        check=False,
        encoding=encoding.partition(":")[0],
    )


def said(*words: str, dsn: str, **environment: str) -> str:
    ended = baton(*words, dsn=dsn, **environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def on_terminal(*words: str, dsn: str, columns: int) -> str:
    screen, terminal = pty.openpty()
    env = {**os.environ, "BATON_DSN": dsn, "TERM": "xterm", "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "baton", *words]
    with subprocess.Popen(command, env=env, stdout=terminal) as running:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(screen, 65_536):
                shown += part
        except OSError:  # how Linux says that the other end was closed
            pass
        finally:
            os.close(screen)
        assert running.wait(60) == 0
    return shown.decode()


def insert_workflow(dsn: str, flow: Workflow) -> Workflow:
    with SyncClient(dsn) as client:
        client.insert_workflow(flow)
    return flow


def insert_job(dsn: str, **options: Any) -> Job:
    with SyncClient(dsn) as client:
        return client.insert(job(**options))


def test_a_list_in_a_pipe_is_whole(database: str) -> None:
    long = "n" * 300
    flow = insert_workflow(database, Workflow(long).add("a", job(worker="w" * 300)))
    [head, line] = said("workflow", "list", dsn=database, COLUMNS="40").splitlines()
    assert head.split() == ["id", "name", "state", "steps", "done", "inserted", "duration"]
    assert line.split()[:4] == [str(flow.workflow_id), long, "executing", "0/1"]
    assert "w" * 300 in said("job", "list", dsn=database)
    assert "n" * 50 in said("workflow", "show", str(flow.workflow_id), dsn=database, COLUMNS="20")


def test_a_list_on_a_terminal_keeps_to_its_width(database: str) -> None:
    flow = insert_workflow(database, Workflow("n" * 300).add("a", job()))
    wide = on_terminal("workflow", "list", dsn=database, columns=160)
    assert str(flow.workflow_id) in wide
    narrow = on_terminal("workflow", "list", dsn=database, columns=80)
    assert str(flow.workflow_id)[:8] in narrow
    assert str(flow.workflow_id)[:9] not in narrow
    assert "executing" in narrow
    assert "0/1" in narrow
    assert len(narrow.splitlines()) == 2


async def test_nothing_that_somebody_wrote_reaches_the_terminal_as_a_command(
    database: str,
) -> None:
    flow = Workflow(HOSTILE).add(f"a{HOSTILE}", job(worker=HOSTILE, args={HOSTILE: HOSTILE}))
    insert_workflow(database, flow)
    error = {"attempt": HOSTILE, "at": HOSTILE, "kind": HOSTILE, "message": HOSTILE}
    errors = [error, {**error, "traceback": f"one\n{HOSTILE}"}]
    statement = "update baton.jobs set errors = %s::jsonb, meta = meta || %s::jsonb, tags = %s"
    meta = json.dumps({"workflow_id": HOSTILE})
    await rows(database, f"{statement} returning 1", json.dumps(errors), meta, [HOSTILE])
    [listed] = json.loads(said("job", "list", "--json", dsn=database))
    for words in (
        ["workflow", "list"],
        ["workflow", "show", str(flow.workflow_id)],
        ["job", "list"],
        ["job", "show", str(listed["id"])],
    ):
        for options in ([], ["--json"]):
            shown = said(*words, *options, dsn=database)
            assert not ESCAPES & set(shown)
            assert "[red]x[/red]" in shown
    assert listed["worker"] == HOSTILE


@pytest.mark.parametrize("encoding", ["ascii", "latin-1:strict", "utf-8"])
def test_any_encoding_will_do(database: str, encoding: str) -> None:
    flow = insert_workflow(database, Workflow("☃ été").add("☃", job(worker="☃")))
    for words in (
        ["workflow", "list"],
        ["workflow", "show", str(flow.workflow_id)],
        ["job", "list"],
        ["job", "show", "1"],
    ):
        ended = baton(*words, dsn=database, encoding=encoding)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ("☃" if encoding == "utf-8" else "\\u2603") in ended.stdout


def test_a_workflow_is_named_by_as_much_as_tells_it_apart(database: str) -> None:
    for last in (1, 2):
        workflow_id = UUID(f"0f6c0000-0000-4000-8000-00000000000{last}")
        insert_workflow(database, Workflow(f"n{last}", workflow_id=workflow_id).add("a", job()))
    both = baton("workflow", "show", "0f6c", dsn=database)
    assert both.returncode == 3
    assert "0f6c0000-0000-4000-8000-000000000001" in both.stderr
    assert "0f6c0000-0000-4000-8000-000000000002" in both.stderr
    assert "n2" in said("workflow", "show", "0F6C0000000040008000000000000002", dsn=database)
    short = baton("workflow", "show", "0f6", dsn=database)
    assert short.returncode == 2
    assert short.stderr == "error: 0f6 could be many workflows; give 4 characters or more\n"


async def test_a_job_is_shown_with_all_that_is_known(database: str) -> None:
    inserted = insert_job(
        database, queue="mail", tags=["a", "b"], args={"long": "x" * 100, "n": 1}, max_attempts=5
    )
    error = {
        "kind": "ValueError",
        "message": "no",
        "traceback": "Traceback:\n  one\nValueError: no",
    }
    async with process(database) as worker:
        [fetched] = await worker.fetch(queue="mail")
        await worker.acknowledge(
            ended(fetched, State.RETRYABLE, delay=60.0, error=json.dumps(error))
        )
    shown = said("job", "show", str(inserted.id), dsn=database).splitlines()
    facts = dict(line.split(maxsplit=1) for line in shown if line[:1].isalpha() and " " in line)
    assert facts["state"] == "retryable"
    assert facts["attempt"] != ""
    assert facts["tags"] == "a, b"
    assert facts["queue"] == "mail"
    assert "completed" not in facts
    args = shown[shown.index("args") + 1 :]
    assert args[:4] == ["  {", '    "n": 1,', f'    "long": "{"x" * 100}"', "  }"]
    assert next(line for line in args if "ValueError" in line).startswith("attempt 1 ")
    assert args[-3:] == ["  Traceback:", "    one", "  ValueError: no"]


async def test_progress_and_duration_of_workflows(database: str) -> None:
    flow = Workflow("two").add("a", job()).add("b", job(), deps=["a"])
    insert_workflow(database, flow)
    async with process(database) as worker:
        [a] = await worker.fetch()
        await worker.acknowledge(done(a))
        assert "executing  1/2" in said("workflow", "list", dsn=database)
        await worker.run_all()
    [_, line] = said("workflow", "list", dsn=database).splitlines()
    assert "completed  2/2" in line
    assert line.rstrip().endswith(" s")


async def test_what_was_edited_by_hand_can_be_looked_at(database: str) -> None:
    flow = insert_workflow(database, Workflow("odd").add("a", job()).add("b", job(), deps=["a"]))
    deep = "[" * 900 + "]" * 900
    statement = """
      update baton.jobs
      set args = %s::jsonb, errors = '["x", 1, null]', tags = '{null,b}',
        meta = meta || '{"workflow_id": 7, "workflow_name": [1]}'
      returning id
    """
    ids = await rows(database, statement, deep)
    for options in ([], ["--json"]):
        for words in (
            ["job", "list"],
            ["job", "show", str(ids[0][0])],
            ["workflow", "show", str(flow.workflow_id)],
        ):
            said(*words, *options, dsn=database)


def test_a_reader_that_has_seen_enough_is_no_error(database: str) -> None:
    with SyncClient(database) as client:
        client.insert_all([job(worker="w" * 200) for _ in range(2_000)])
    env = {**os.environ, "BATON_DSN": database}
    command = f"{sys.executable} -m baton job list -n 2000 | head -n 1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", command], env=env, capture_output=True, text=True, timeout=200, check=True
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines()[0].startswith("id")


FAKE_PSQL = """#!/bin/sh
printf '%s\\n' "$@"
env | grep '^PG' | sort
exit 7
"""


@pytest.fixture
def fake_psql(tmp_path: Path) -> str:
    """A PATH that begins with a psql which prints what it was given."""
    path = tmp_path / "psql"
    path.write_text(FAKE_PSQL)
    path.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


def test_psql_is_given_the_password_in_its_environment_alone(fake_psql: str) -> None:
    dsn = "postgresql://me:s%20cret@db.example:5433/app?sslmode=disable"
    ended = baton("psql", "-c", "select 1", "--", "-x", dsn=dsn, PATH=fake_psql)
    assert ended.returncode == 7
    assert ended.stdout.splitlines() == [
        "-c",
        "select 1",
        "--",
        "-x",
        "PGDATABASE=app",
        "PGHOST=db.example",
        "PGOPTIONS=-c search_path=baton,public",
        "PGPASSWORD=s cret",
        "PGPORT=5433",
        "PGSSLMODE=disable",
        "PGUSER=me",
    ]


@pytest.mark.parametrize(
    ("dsn", "environment", "options"),
    [
        ("dbname=a options='-c jit=off'", {}, "-c jit=off -c search_path=baton,public"),
        ("dbname=a", {"PGOPTIONS": "-c jit=off"}, "-c jit=off -c search_path=baton,public"),
        ("dbname=a", {"BATON_SCHEMA": "app_2"}, "-c search_path=app_2,public"),
    ],
)
def test_psql_keeps_the_options_that_were_set(
    fake_psql: str, dsn: str, environment: dict[str, str], options: str
) -> None:
    ended = baton("psql", dsn=dsn, PATH=fake_psql, **environment)
    assert f"PGOPTIONS={options}" in ended.stdout.splitlines()


def test_psql_takes_the_flags_of_baton_before_its_own(fake_psql: str) -> None:
    words = ["psql", "--schema", "app_2", "--dsn", "dbname=b", "-At", "template1", "--dsn", "x"]
    shown = baton(*words, dsn="dbname=a", PATH=fake_psql).stdout.splitlines()
    assert shown[:4] == ["-At", "template1", "--dsn", "x"]
    assert "PGDATABASE=b" in shown
    assert "PGOPTIONS=-c search_path=app_2,public" in shown


def test_psql_of_the_wheel_serves_where_there_is_no_other(database: str, tmp_path: Path) -> None:
    query = "select count(*) from workflow_nodes"
    assert said("psql", "-Atc", query, dsn=database, PATH=str(tmp_path)) == "0\n"
