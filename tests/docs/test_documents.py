"""Runs the documentation: every block of code of the README and the guides, in order, as a user
would.

``python`` blocks with a file's name are written to that file, the others run one after the other
in one asynchronous program. ``sh`` blocks run in a shell; of their commands, those that set up a
machine (pip, make) and the long-running worker are played by the test instead.
"""

import ast
import asyncio
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from baton.client import Client
from baton.node import Node
from baton.settings import Settings, load
from baton.workers import Registry
from tests.docs.markdown import Block, blocks

pytestmark = pytest.mark.timeout(900)  # guides start many programs, one after the other

ROOT = Path(__file__).resolve().parent.parent.parent
PLAYED = ("pip install", "make ", "export BATON_DSN", "baton worker")


@pytest.fixture
def place(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory with a database in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BATON_DSN", database)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def shell(command: str) -> str:
    """Run a command in which ``baton`` and ``python`` are this environment's."""
    command = re.sub(r"^baton\b", f"{sys.executable} -m baton", command)
    command = re.sub(r"^python\b", sys.executable, command)
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, f"{command}: {ended.stderr}"
    return ended.stdout


@contextmanager
def running(command: str) -> Iterator[None]:
    """Run a command that goes on until it is interrupted."""
    words = command.split()
    with subprocess.Popen([sys.executable, "-m", *words]) as process:
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def commands(block: Block) -> list[str]:
    lines = [line.split(" #")[0].strip() for line in block.text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def run_python(texts: list[Block], names: dict[str, Any]) -> None:
    """Run blocks one after the other, with await at the top level."""

    async def main() -> None:
        for block in texts:
            code = compile(
                block.text,
                f"block at line {block.line}",
                "exec",
                flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            )
            made = eval(code, names)  # noqa: S307
            if inspect.iscoroutine(made):
                await made

    asyncio.run(main())


def perform_everything(registry: Registry, *, client_of: str | None = None) -> None:
    """Run a worker process until no job is left to run, and close the ``client`` of a module."""

    async def main() -> None:
        node = Node(load(queues=["default=10", "mail=10", "llm=10"]), registry)
        async with anyio.create_task_group() as tasks, Client() as client:
            await tasks.start(node.run)
            with anyio.fail_after(120):
                while any(not job.state.is_final for job in await client.list_jobs()):
                    await anyio.lowlevel.checkpoint()
            node.stop()
        if client_of is not None:
            await sys.modules[client_of].client.close()

    anyio.run(main)


def test_the_readme_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "README.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    assert "make demo" in said
    assert "make test" in said
    [worker] = [command for command in said if command.startswith("baton worker")]
    migrate, *rest = [command for command in said if not command.startswith(PLAYED)]
    assert migrate == "baton migrate"
    shell(migrate)
    with running(worker):
        workflow_id = shell(rest[0]).strip()
        with psycopg.connect(database, autocommit=True) as conn:
            while not conn.execute("select 1 from baton.workflow_completions").fetchone():
                pass
        outputs = [shell(command) for command in rest[1:]]
    assert workflow_id in outputs[0]
    assert "compile_brief" in outputs[-1]
    assert outputs[-1].count("completed") == 5


def test_getting_started_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "getting_started.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    python = [block for block in found if block.language == "python" and not block.file]
    with Registry().collecting():
        run_python(python, {"DSN": database})
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    with psycopg.connect(database) as conn:
        row = conn.execute("select left(id::text, 8) from baton.workflows").fetchone()
    assert row is not None
    for command in said:
        if not command.startswith(PLAYED):
            shell(command.replace("0f6c", row[0]))


def test_the_guide_to_workers_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "workers.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
            compile(block.text, block.file, "exec")
    python = [block for block in found if block.language == "python" and not block.file]
    with Registry().collecting() as registry:
        run_python(python, {"__name__": "guide"})
        perform_everything(registry)
    with psycopg.connect(database) as conn:
        rows = conn.execute("select split_part(worker, '.', 2), state::text from baton.jobs")
        became = sorted(rows.fetchall())
    assert became == [
        ("bill", "completed"),
        ("convert", "completed"),
        ("count", "completed"),
        ("deliver", "completed"),
        ("deliver", "discarded"),
        ("fetch_rates", "discarded"),
    ]


def test_the_guide_to_operations_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "operations.md")
    with Registry().collecting():
        run_python([block for block in found if block.language == "python"], {})
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    assert said.pop(0) == "baton doctor"
    sick = subprocess.run(
        [sys.executable, "-m", "baton", "doctor"], capture_output=True, text=True, check=False
    )
    assert sick.returncode == 1
    assert "run: baton worker --queues mail=10" in sick.stdout
    at_night = said.index("baton queue resume mail") + 1
    for command in said[:at_night]:
        shell(command)
    inserted, *rest = [shell(command) for command in said[at_night:]]
    assert json.loads(inserted)["id"] == 53
    assert rest[1] == "changed job 52: available in queue mail\n"
    assert rest[2] == "cancelled 2 jobs\n"
    assert rest[3].startswith("would retry")
    [sql] = [block for block in found if block.language == "sql"]
    with psycopg.connect(database) as conn:
        conn.execute(sql.text.encode())


def test_the_guide_to_queues_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "queues.md")
    run_python([block for block in found if block.language == "python"], {"DSN": database})
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    outputs = [shell(command) for command in said]
    assert "50 at once, by args.tenant" in outputs[-2]


def test_the_guide_to_cron_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "cron.md")
    with Registry().collecting() as registry:
        python = [block for block in found if block.language == "python"]
        run_python(python, {"__name__": "reports"})
    assert {entry.name for entry in registry.crons} == {
        "reports.collect",
        "reports.report",
        "reports.Rebuild",
        "weekly for the us",
    }
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    listed, added, three, five, *_ = [shell(command) for command in said]
    assert "early" in listed
    assert added.startswith("added nightly: 30 2 * * * Europe/Berlin, next ")
    assert (three.count("\n"), five.count("\n")) == (3, 5)


def test_the_guide_to_running_does_what_it_says(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(ROOT / "docs" / "running.md")
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    outputs: dict[str, str] = {}
    (place / "shop.py").write_text("from baton import worker\n\n@worker()\ndef audit(job): ...\n")
    newest = "select coalesce(max(id), 0) from baton.leases"
    for command in said:
        if command.startswith("baton worker"):
            with psycopg.connect(autocommit=True, conninfo=os.environ["BATON_DSN"]) as conn:
                before = conn.execute(newest).fetchone() or (0,)
                with running(command):
                    while (conn.execute(newest).fetchone() or (0,)) <= before:
                        pass
        else:
            outputs[command] = shell(command)
    assert "nothing needs to be done" in outputs["baton maintain"]
    assert json.loads(outputs["baton maintain --vacuum --reindex --json"])["advice"] == []
    rules, workflows = [block for block in found if block.language == "toml"]
    (place / "baton.toml").write_text(workflows.text + rules.text)
    assert [rule.queue for rule in load().prune] == [None, "mail", None, None]
    assert load().prune_workflows == 0
    [given] = re.findall(r"`(\[\{.*\}\])`", (ROOT / "docs" / "running.md").read_text())
    monkeypatch.setenv("BATON_PRUNE", given)
    assert load().prune[0].older_than == 604_800
    [unit] = [block for block in found if block.language == "ini"]
    for name, value in re.findall(r"(BATON_[A-Z]+)=(\S+)", unit.text):
        monkeypatch.setenv(name, value)
    assert (load().app, load().processes, load().grace) == ("shop", 4, 45)


def test_the_configuration_guide_names_every_setting_and_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ROOT / "docs" / "configuration.md"
    documented = dict(
        re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \| [^|]+ \|$", path.read_text(), re.MULTILINE)
    )
    fields = {name.removeprefix("db_"): field for name, field in Settings.model_fields.items()}
    assert documented.keys() == fields.keys()
    for name in ("poll_interval", "grace", "lease_ttl", "max_args_bytes", "max_result_bytes"):
        assert float(documented[name].replace(",", "")) == fields[name].default
    [block] = blocks(path)
    (tmp_path / "baton.toml").write_text(block.text)
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert (settings.app, settings.grace) == ("shop", 30)
    assert settings.queues == {"default": 20, "mail": 5}


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


def test_no_variable_of_the_environment_is_left_behind() -> None:
    assert not [name for name in os.environ if name.startswith("BATON_")]
