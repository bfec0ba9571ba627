"""``baton worker`` as people run it: a process, signals, and other processes beside it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from baton import Client
from baton.cli.frame import ExitCode
from baton.jobs import NewJob
from baton.workflows import Workflow
from tests.support import connection, nap, rows, value

pytestmark = pytest.mark.anyio

GONE = "postgresql://u:secret@127.0.0.1:1/x"
APP = """
import os, sys, time
from pathlib import Path
from baton import Job, worker

HERE = Path(__file__).parent

@worker(name="quick")
async def quick(job: Job): ...

@worker(name="until_told")
def until_told(job: Job, name: str):
    (HERE / f"{name}.{job.attempt}.begun").touch()
    while not (HERE / f"{name}.go").exists():
        time.sleep(0.01)
    return {"pid": os.getpid()}

@worker(name="kill_worker", max_attempts=3)
def kill_worker(job: Job):
    if job.attempt == 1:
        os._exit(9)
    return {"attempt": job.attempt}
"""

# Where a test is about what a process tells the database at its end, and not about how long it may
# take: on a busy machine it may not get its turn within a second.
PATIENT = """
from baton.cli import stopping
from baton.services import ending

ending.MOMENT = stopping.EXIT_TIME = 60.0
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@contextmanager
def worker(dsn: str, app: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running ``baton worker``; what it logs is appended to the file ``log``."""
    command = [sys.executable, "-m", "baton", "worker", *options]
    env = {**os.environ, "BATON_DSN": dsn, "BATON_APP": "app", "BATON_QUEUES": "default=5"}
    with (app / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=app, env=env, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def exit_of(process: subprocess.Popen[bytes]) -> int:
    with anyio.fail_after(60):
        return await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


def log_of(app: Path) -> list[dict[str, Any]]:
    whole, _, _being_written = (app / "log").read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def job(worker: str, **args: Any) -> NewJob:
    return NewJob(worker=worker, args=args)


async def appears(path: Path) -> None:
    with anyio.fail_after(60):
        while not await anyio.Path(path).exists():
            await nap()


async def until(dsn: str, query: str, expected: Any) -> None:
    async with connection(dsn) as conn:
        with anyio.fail_after(60):
            while await (await conn.execute(query.encode())).fetchone() != (expected,):
                await nap()


STATE = "select string_agg(distinct state::text, ',') from baton.jobs"


async def test_a_worker_performs_jobs_and_ends_on_sigterm(database: str, app: Path) -> None:
    async with Client(database) as client:
        await client.insert_all([job("quick") for _ in range(20)])
    with worker(database, app) as process:
        await until(database, STATE, "completed")
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0
    log = log_of(app)
    assert log[0]["event"] == "worker.started"
    assert log[-1] == {**log[-1], "event": "worker.stopped", "clean": True}
    completed = [line for line in log if line["event"] == "job.completed"]
    assert len(completed) == 20
    assert completed[0].keys() >= {"job", "worker", "queue", "attempt", "duration_ms"}
    assert await value(database, "select count(*) from baton.leases") == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_a_running_job_ends_within_the_grace(
    database: str, app: Path, first: signal.Signals
) -> None:
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    with worker(database, app) as process:
        await appears(app / "a.1.begun")
        process.send_signal(first)
        (app / "a.go").touch()
        assert await exit_of(process) == 0
    assert await value(database, STATE) == "completed"


async def test_a_second_signal_gives_a_stuck_thread_back_and_ends(database: str, app: Path) -> None:
    (app / "app.py").write_text(APP + PATIENT)
    async with Client(database) as client:
        await client.insert(job("until_told", name="stuck"))
    with worker(database, app, "--grace", "3600") as process:
        await appears(app / "stuck.1.begun")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert await exit_of(process) == ExitCode.UNFINISHED
    assert log_of(app)[-1]["clean"] is False
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("available", 0)]


DEAF = """
import asyncio, time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from baton import Job, lifespan, worker

@worker(name="deaf")
async def deaf(job: Job):
    Path("begun").touch()
    while True:
        with suppress(BaseException):
            await asyncio.sleep(3600)

@worker(name="blocks")
async def blocks(job: Job):
    Path("begun").touch()
    time.sleep(3600)

@worker(name="quick")
async def quick(job: Job):
    Path("begun").touch()

@lifespan
@asynccontextmanager
async def never_closes():
    try:
        yield
    finally:
        await asyncio.sleep(3600)
"""


@pytest.mark.parametrize("name", ["deaf", "blocks", "quick"])
async def test_code_that_does_not_end_is_ended_a_second_after_the_grace(
    database: str, app: Path, name: str
) -> None:
    """A job that takes no notice, one that blocks the event loop, and an endless lifespan."""
    (app / "app.py").write_text(DEAF)
    async with Client(database) as client:
        await client.insert(job(name))
    with worker(database, app, "--grace", "1") as process:
        await appears(app / "begun")
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == ExitCode.UNFINISHED
    assert log_of(app)[-1]["event"] == "worker.cut_short"


async def test_jobs_of_a_killed_process_are_run_again_by_another(database: str, app: Path) -> None:
    flow = Workflow("w").add("a", job("until_told", name="a")).add("b", job("quick"), deps=["a"])
    async with Client(database) as client:
        await client.insert_workflow(flow)
    with worker(database, app) as first:
        await appears(app / "a.1.begun")
        first.kill()
        with worker(database, app):
            await appears(app / "a.2.begun")
            (app / "a.go").touch()
            await until(database, "select state::text from baton.workflows", "completed")
    [(attempt, errors)] = await rows(
        database, "select attempt, errors from baton.jobs where worker = 'until_told'"
    )
    assert attempt == 2
    assert [error["kind"] for error in errors] == ["rescued"]


async def test_a_stopped_process_that_wakes_up_late_is_refused(database: str, app: Path) -> None:
    """SIGSTOP, longer than the lease, then SIGCONT: the zombie's acknowledgement comes late."""
    async with Client(database) as client:
        await client.insert(job("until_told", name="a"))
    with worker(database, app, "--lease-ttl", "5") as zombie:
        await appears(app / "a.1.begun")
        zombie.send_signal(signal.SIGSTOP)
        with worker(database, app):
            await appears(app / "a.2.begun")
            zombie.send_signal(signal.SIGCONT)
            (app / "a.go").touch()
            await until(database, STATE, "completed")
            zombie.send_signal(signal.SIGTERM)
            await exit_of(zombie)
    assert await rows(database, "select state::text, attempt from baton.jobs") == [("completed", 2)]


async def test_a_job_that_kills_its_worker_is_counted_and_run_elsewhere(
    database: str, app: Path
) -> None:
    async with Client(database) as client:
        await client.insert(job("kill_worker"))
    with worker(database, app) as first:
        assert await exit_of(first) == 9
    with worker(database, app):
        await until(database, STATE, "completed")
    assert await value(database, "select attempt from baton.jobs") == 2


async def test_a_job_of_an_unknown_worker_fails_and_the_queue_goes_on(
    database: str, app: Path
) -> None:
    async with Client(database) as client:
        await client.insert_all([job("nobody"), job("quick")])
    with worker(database, app):
        await until(
            database, "select state::text from baton.jobs where worker = 'quick'", "completed"
        )
        await until(database, "select count(*) from baton.jobs where errors <> '[]'", 1)
    message = await value(
        database, "select errors -> 0 ->> 'message' from baton.jobs where worker = 'nobody'"
    )
    assert message == "no worker named 'nobody'; this process knows kill_worker, quick, until_told"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--queues", "default=0"], 2, "default=0"),
        (["--queues", "default=x"], 2, "default=x"),
        (["--app", "no_such_module"], 2, "no_such_module"),
        (["--app", "app:missing"], 2, "missing"),
        (["--grace", "-1"], 2, "grace"),
        (["--dsn", GONE, "--database-wait", "0"], 4, "127.0.0.1"),
        (["--dsn", "nonsense"], 2, "DSN"),
    ],
)
async def test_a_wrong_word_is_one_sentence_and_an_exit_code(
    database: str, app: Path, options: list[str], code: int, words: str
) -> None:
    with worker(database, app, *options) as process:
        assert await exit_of(process) == code
    error = (app / "log").read_text()
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert "secret" not in error


async def test_an_unmigrated_database_names_the_command_to_run(
    empty_database: str, app: Path
) -> None:
    with worker(empty_database, app) as process:
        assert await exit_of(process) == 4
    assert (app / "log").read_text().strip().endswith("run: baton migrate")


@pytest.mark.parametrize("options", [[], ["--processes", "2"]])
async def test_a_process_without_a_database_says_so_once_and_ends_when_it_is_told_to(
    app: Path, options: list[str]
) -> None:
    with worker(GONE, app, "--grace", "3600", *options) as process:
        with anyio.fail_after(60):
            while "database.trouble" not in (app / "log").read_text():
                await nap()
        process.send_signal(signal.SIGTERM)
        assert await exit_of(process) == 0
    said = [line["event"] for line in log_of(app)]
    assert said.count("database.trouble") == 1
    assert "secret" not in (app / "log").read_text()
