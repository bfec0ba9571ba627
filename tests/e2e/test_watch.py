"""Looking at one workflow as a person does: the tree, and watching it until its end."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from psycopg import sql

from baton import State, SyncClient, Workflow
from tests.support import connection, done, ended, job, process, value

pytestmark = pytest.mark.anyio


@contextmanager
def watching(flow: Workflow, dsn: str, **streams: int) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "BATON_DSN": dsn, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    command = [sys.executable, "-m", "baton", "workflow", "watch", str(flow.workflow_id)]
    with subprocess.Popen(
        command, env=env, text=True, **{"stdout": -1, "stderr": -1, **streams}
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def insert(dsn: str, count: int = 0) -> Workflow:
    flow = Workflow("brief").add("fetch", job()).add("summarize", job(), deps=["fetch"])
    for number in range(count):
        flow.add(f"leaf:{number}", job(queue="other"), deps=["fetch"])
    with SyncClient(dsn) as client:
        client.insert_workflow(flow)
    return flow


async def readline(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return await anyio.to_thread.run_sync(running.stdout.readline)


async def test_watching_in_a_pipe_tells_each_change_and_ends_with_the_workflow(
    database: str,
) -> None:
    flow = insert(database)
    async with process(database) as worker:
        with watching(flow, database) as running:
            first = await readline(running)
            assert (
                first == f"workflow brief {flow.workflow_id} executing: 1 available, 1 suspended\n"
            )
            [fetched] = await worker.fetch()
            assert "executing  fetch" in await readline(running)
            await worker.complete(fetched)
            assert "completed  fetch" in await readline(running)
            await worker.run_all()
            out, err = await anyio.to_thread.run_sync(running.communicate)
    assert (running.returncode, err) == (0, "")
    assert out.splitlines()[-1].endswith("completed: 2 completed")


async def test_watching_a_workflow_that_fails_ends_with_1(database: str) -> None:
    flow = insert(database)
    async with process(database) as worker:
        with watching(flow, database) as running:
            await readline(running)
            [fetched] = await worker.fetch()
            error = json.dumps({"kind": "ValueError", "message": "no"})
            await worker.acknowledge(ended(fetched, State.DISCARDED, error=error))
            out, err = await anyio.to_thread.run_sync(running.communicate)
    assert (running.returncode, err) == (1, "")
    assert "discarded  fetch" in out
    assert "failed: 1 discarded, 1 cancelled" in out.splitlines()[-1]


async def test_watching_goes_on_when_the_database_was_away(database: str, server_dsn: str) -> None:
    flow = insert(database)
    name = await value(database, "select current_database()")
    shut = sql.SQL("alter database {} allow_connections {}")
    async with connection(server_dsn) as conn:
        with watching(flow, database) as running:
            assert running.stderr is not None
            await readline(running)
            await conn.execute(shut.format(sql.Identifier(name), sql.SQL("false")))
            await conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
            )
            told = await anyio.to_thread.run_sync(running.stderr.readline)
            assert told.startswith("the database is away: ")
            await conn.execute(shut.format(sql.Identifier(name), sql.SQL("true")))
            assert await anyio.to_thread.run_sync(running.stderr.readline) == (
                "the database is back\n"
            )
            async with process(database) as worker:
                await worker.run_all()
            out, err = await anyio.to_thread.run_sync(running.communicate)
    assert (running.returncode, err) == (0, "")
    assert out.splitlines()[-1].endswith("completed: 2 completed")


async def test_ctrl_c_ends_watching_quietly(database: str) -> None:
    flow = insert(database)
    with watching(flow, database) as running:
        await readline(running)
        running.send_signal(signal.SIGINT)
        _, err = await anyio.to_thread.run_sync(running.communicate)
    assert (running.returncode, err) == (130, "")


async def test_watching_on_a_terminal_draws_the_tree_and_gives_the_cursor_back(
    database: str,
) -> None:
    flow = insert(database, count=200)
    screen, terminal = pty.openpty()
    shown = b""
    async with process(database) as worker:
        with watching(flow, database, stdout=terminal, stderr=terminal) as running:
            os.close(terminal)
            while b"leaf:*" not in shown:
                shown += await anyio.to_thread.run_sync(os.read, screen, 65_536)
            [fetched] = await worker.fetch()
            await worker.acknowledge(done(fetched))
            running.send_signal(signal.SIGINT)
            try:
                while part := await anyio.to_thread.run_sync(os.read, screen, 65_536):
                    shown += part
            except OSError:  # how Linux says that the other end was closed
                pass
            finally:
                os.close(screen)
            assert await anyio.to_thread.run_sync(running.wait) == 130
    assert "200 suspended" in shown.decode()
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert b"Traceback" not in shown


def test_the_tree_of_a_large_workflow_fits_a_page_and_all_shows_every_step(database: str) -> None:
    flow = insert(database, count=300)
    env = {**os.environ, "BATON_DSN": database, "PYTHONIOENCODING": "utf-8"}
    words = [sys.executable, "-m", "baton", "workflow"]

    def said(*more: str) -> list[str]:
        command = [*words, *more]
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=200, check=True
        ).stdout.splitlines()

    found = str(flow.workflow_id)
    assert len(said("tree", found)) == 4
    assert len(said("tree", found[:8], "--all")) == len(said("show", found)) == 303
    shown = json.loads("".join(said("tree", found, "--json")))
    assert len(shown["edges"]) == 301


@pytest.mark.parametrize(
    ("name", "words", "begins"),
    [
        ("flow.svg", [], "<svg"),
        ("flow.gv", [], "digraph"),
        ("flow.md", [], "---\ntitle"),
        ("flow.svg", ["-f", "dot"], "digraph"),
    ],
)
def test_a_graph_is_written_in_the_language_of_its_file(
    database: str, tmp_path: Path, name: str, words: list[str], begins: str
) -> None:
    flow = insert(database)
    ended = graph(flow, database, "-o", str(tmp_path / name), *words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert (tmp_path / name).read_text("utf-8").startswith(begins)


def test_a_graph_is_printed_in_utf_8_whatever_the_terminal_is(database: str) -> None:
    flow = insert(database)
    ended = graph(flow, database, "--format", "svg", PYTHONIOENCODING="ascii")
    assert "○ fetch" in ended.stdout
    assert graph(flow, database).stdout.startswith("---\ntitle")


def test_a_file_that_can_t_be_written_is_a_sentence(database: str, tmp_path: Path) -> None:
    flow = insert(database)
    ended = graph(flow, database, "-o", str(tmp_path / "none" / "flow.svg"))
    assert ended.returncode == 2
    assert ended.stderr.endswith("flow.svg can't be written: No such file or directory\n")
    assert graph(flow, database, "-f", "png").returncode == 2


def graph(
    flow: Workflow, dsn: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BATON_DSN": dsn, **environment}
    command = [sys.executable, "-m", "baton", "workflow", "graph", str(flow.workflow_id), *words]
    return subprocess.run(
        command, env=env, capture_output=True, encoding="utf-8", timeout=200, check=False
    )
