"""The password of a DSN is in nothing that a process says, whatever goes wrong."""

import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import anyio
import psycopg
import pytest
import structlog
from typer.testing import CliRunner

from baton import Client, SyncClient
from baton.cli import app as application
from baton.cli.masking import masked
from baton.errors import BatonError
from baton.jobs import NewJob
from baton.logs import configure
from baton.settings import load
from baton.store import door
from baton.verbosity import report_error
from tests.roles import role
from tests.support import connection, nap, rows, value

SECRET = "hunter2"
APP = """
import os
from baton import Job, worker

@worker(name="fails", max_attempts=1)
async def fails(job: Job):
    secret = os.environ["BATON_DSN"]
    raise RuntimeError("no luck")

@worker(name="dies", max_attempts=1, executor="process")
def dies(job: Job):
    os._exit(3)

@worker(name="fails_in_child", max_attempts=1, executor="process")
def fails_in_child(job: Job):
    raise RuntimeError("no luck")

@worker(name="returns_garbage", max_attempts=1)
async def returns_garbage(job: Job):
    return object()
"""
UNREADABLE = [
    f"postgresql://u:{SECRET}@h:port/db",
    f"postgresql://u:{SECRET}@[::1/db",
    f"postgresql://u:{SECRET}@h/db?nope=1",
    f"postgresql://u:{SECRET}%er@h/db",
    f"postgresql://u:{SECRET}@h:99999999/db",
    f"postgresql://u:{SECRET}%00@h/db",
    f"postgresql://u:p@{SECRET}@h/db",
    f"postgresql://u:p#{SECRET}@h:5/db",
    f"postgresql://u:p/{SECRET}@h/db",
    f"postgresql+psycopg://u:{SECRET}@h:x/db",
    f"mysql://u:{SECRET}@h/db",
    f"host=h password={SECRET} port",
    f"password='{SECRET}",
    f"password=x {SECRET}",
    f'host=h pass"{SECRET}=x',
    SECRET,
]
AWAY = [
    f"postgresql://u:{SECRET}@127.0.0.1:1/db",
    f"postgresql://u:{SECRET}@h.invalid/db",
    f"postgresql://u:{SECRET}@/db?host=/nowhere",
    f"postgresql://u:{SECRET}@127.0.0.1:1/db?sslmode=wrong",
    f"postgresql://u:{SECRET}@127.0.0.1:1/db?connect_timeout=soon",
    f"host=127.0.0.1 port=1 password={SECRET} sslrootcert=/nowhere sslmode=verify-full",
]


def everything(error: BaseException) -> str:
    """All that the traceback of an error, and of what it came from, shows."""
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.anyio
@pytest.mark.parametrize("dsn", [*UNREADABLE, *AWAY])
async def test_errors_of_a_dsn_do_not_show_its_password(dsn: str) -> None:
    clients = (Client(dsn), SyncClient(dsn)) if dsn in AWAY else ()
    with pytest.raises(BatonError) as raised:
        await door.connect(dsn, "baton", timeout=1, name="tests")
    assert SECRET not in everything(raised.value)
    for client in clients:
        assert SECRET not in repr(client) + str(vars(client).keys())
    if dsn in AWAY:
        with pytest.raises(BatonError) as raised, SyncClient(dsn) as sync:
            sync.list_workflows()
        assert SECRET not in everything(raised.value)


def test_settings_do_not_show_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = f"postgresql://u:{SECRET}@h/db"
    settings = load(dsn=dsn, listen_dsn=dsn)
    shown = [repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())]
    assert SECRET not in "".join(shown)
    monkeypatch.chdir(tmp_path)
    for text in (
        f'dsn = "{dsn}"\nnope = 1',
        f'dsn = ["{dsn}"]',
        f'dsn = "{dsn}"\nlisten_dsn = "{dsn}"\nno_listen = true',
        f'dsn = "{dsn}',
        f'"{dsn}" = 1',
    ):
        (tmp_path / "baton.toml").write_text(text)
        with pytest.raises(BatonError) as raised:
            load()
        shown_keys = text.startswith('"')  # a key is shown, so that it can be found
        assert shown_keys or SECRET not in everything(raised.value)
    (tmp_path / "baton.toml").unlink()
    (tmp_path / "pyproject.toml").write_text(f'[[tool.baton]]\ndsn = "{dsn}"')
    with pytest.raises(BatonError) as raised:
        load()
    assert SECRET not in everything(raised.value)


@pytest.mark.parametrize("form", ["console", "json", None])
def test_logged_tracebacks_show_no_local_variables(
    form: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    try:
        structlog.reset_defaults()
        if form is not None:
            configure("info", form)  # type: ignore[arg-type]
        log = structlog.get_logger()
        dsn = f"postgresql://u:{SECRET}@h/db"
        try:
            _fail(dsn)
        except ValueError:
            report_error(log, "failed", fact=1)
            if form is not None:
                log.exception("failed")  # as user code does
        said = "".join(capsys.readouterr())
    finally:
        structlog.configure(**before)
    assert "_fail(dsn)" in said
    assert SECRET not in said


def _fail(dsn: str) -> None:
    raise ValueError(len(dsn))


ENDED = "select count(*) from baton.jobs where state in ('completed', 'discarded')"


def run(
    *words: str, cwd: Path, env: Mapping[str, str], output: IO[str] | int = subprocess.PIPE
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "baton", *words],
        cwd=cwd,
        env={**os.environ, "BATON_APP": "app", **env},
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_commands_that_fail_do_not_say_the_password(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    started = [
        run(*words, cwd=tmp_path, env={"BATON_DSN": dsn})
        for words in (["--debug", "worker"], ["job", "list"])
        for dsn in (UNREADABLE[0], AWAY[0], AWAY[3])
    ]
    for process in started:
        said, _ = process.communicate(timeout=200)
        assert process.returncode in {1, 2, 4}
        assert said
        assert SECRET not in said


@pytest.mark.anyio
@pytest.mark.parametrize("form", ["console", "json"])
async def test_a_worker_process_never_says_its_password(
    database: str, tmp_path: Path, form: str
) -> None:
    """Jobs that fail in many ways, connections that are cut, rights that are taken away."""
    (tmp_path / "app.py").write_text(APP)
    log = tmp_path / "log"
    with role(database, "worker") as granted:
        secret = psycopg.conninfo.conninfo_to_dict(granted)["password"]
        env = {
            "BATON_DSN": granted,
            "BATON_LOG_FORMAT": form,
            "BATON_LOG_LEVEL": "debug",
            "BATON_LEASE_TTL": "5",
            "BATON_NODE": "n",
        }
        async with Client(database) as client:
            names = ("fails", "dies", "fails_in_child", "returns_garbage", "unknown")
            await client.insert_all([NewJob(worker=name, max_attempts=1) for name in names])
        with log.open("w") as output:
            process = run("--debug", "worker", cwd=tmp_path, env=env, output=output)
        try:
            await _until(database, ENDED, 5)
            cmdline = await anyio.Path(f"/proc/{process.pid}/cmdline").read_bytes()
            theirs = "select * from pg_stat_activity where application_name <> ''"
            shown = await rows(database, theirs)
            kept = await rows(database, "select to_jsonb(job) from baton.jobs as job")
            leases = await rows(database, "select to_jsonb(lease) from baton.leases as lease")
            cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s"
            await rows(database, cut, psycopg.conninfo.conninfo_to_dict(granted)["user"])
            async with Client(database) as client:
                await client.insert(NewJob(worker="fails", max_attempts=1))
            await _until(database, ENDED, 6)
            async with connection(database) as conn:
                await conn.execute("alter table baton.jobs rename to away")
                await conn.execute("notify \"baton.jobs\", 'default'")
            async with Client(granted) as client:
                with suppress(BatonError):
                    await client.insert(NewJob(worker="fails"))
            with anyio.fail_after(60):
                while "duty.failed" not in log.read_text():
                    await nap()
        finally:
            process.terminate()
            await anyio.to_thread.run_sync(process.wait, 60)
    said = log.read_text()
    assert "job.failed" in said or "job.discarded" in said
    for text in (said, str(shown), str(kept), str(leases), str(cmdline)):
        assert secret not in text


async def _until(database: str, query: str, expected: int) -> None:
    with anyio.fail_after(120):
        while await value(database, query) != expected:
            await nap()


DSN = f"postgresql://u:{SECRET}@h/db"


@pytest.mark.parametrize(
    "words",
    [
        [DSN],
        ["--dsn", DSN],
        ["worker", DSN],
        ["worker", f"host=h password={SECRET}"],
        ["worker", f"host=h password='{SECRET} and more'"],
        ["worker", f"postgresql://u:p {SECRET}@h/db"],
        ["worker", "postgresql://u:p", f"{SECRET}@h/db"],
        ["worker", f"mysql://u:{SECRET}@h/db"],
        ["worker", f"postgresql+psycopg://u:{SECRET}#@h/db"],
        ["worker", f"--{DSN}"],
        ["worker", f"--dns={DSN}"],
        ["worker", "--grace", DSN],
        ["worker", "--queues", DSN],
        ["worker", "--app", DSN],
        ["worker", "--http", DSN],
        ["migrate", DSN],
        ["queue", DSN],
        ["queue", "pause", "q", DSN],
        ["job", "show", DSN],
        ["job", "list", "--limit", DSN],
        ["job", "list", DSN],
        ["workflow", "show", DSN],
        ["cron", "next", DSN],
        ["web", DSN],
        ["doctor", DSN],
        ["db", "start", DSN],
    ],
)
def test_a_dsn_that_stands_where_none_belongs_is_not_said_again(
    words: list[str], database: str
) -> None:
    result = CliRunner().invoke(
        application.app, words, env={"BATON_DSN": database}, prog_name="baton"
    )
    assert result.exit_code in {2, 3}
    assert result.stderr
    assert SECRET not in result.output


def test_a_message_with_the_example_of_a_dsn_is_said_whole() -> None:
    told = "it looks like postgresql://user:password@host:5432/database"
    assert masked(told) == told
