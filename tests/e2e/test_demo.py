"""``baton demo``: what a stranger sees first."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton.embedded import EmbeddedServer


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that everybody may enter: for root the server runs as somebody else."""
    with tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def start(place: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "baton", "demo", "--pace=0.2", *words]
    # what is set for other work must not be touched by a demonstration
    env = {**os.environ, "BATON_DSN": "postgresql://127.0.0.1:1/x", "BATON_QUEUES": "mail=1"}
    return subprocess.Popen(
        command, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(place: Path, *words: str) -> str:
    out, error = start(place, *words).communicate(timeout=250)
    assert error == ""
    return out


def pids(out: str) -> list[int]:
    found = re.search(r"worker processes: (\d+), (\d+)", out)
    assert found is not None
    return [int(pid) for pid in found.groups()]


def assert_nothing_runs(place: Path, out: str) -> None:
    for pid in pids(out):
        assert not Path(f"/proc/{pid}").exists()
    assert EmbeddedServer.find(place / ".baton" / "postgres") is None


def test_the_demo_runs_a_workflow_and_leaves_nothing_running(place: Path) -> None:
    (place / "text.txt").write_text(
        "Queues are simple. A queue is a table. Tables are durable.\n" * 9
    )
    out = run(place, "text.txt")
    assert "completed  compile_brief" in out
    assert "Research brief: text" in out
    assert "durable" in out
    assert_nothing_runs(place, out)
    assert {path.name for path in place.iterdir()} == {"text.txt", ".baton"}
    # the lines that it prints work
    printed = out.splitlines()
    export = next(line for line in printed if "export BATON_DSN" in line)
    query = next(line for line in printed if "baton psql" in line)
    script = f'baton() {{ {sys.executable} -m baton "$@"; }}; {export}\n{query}\nbaton db stop'
    ended = subprocess.run(
        ["sh", "-c", script], cwd=place, capture_output=True, text=True, check=True
    )
    assert ended.stdout.count("completed") == 5


def test_the_demo_finishes_although_a_worker_process_is_killed(place: Path) -> None:
    # each analysis takes long enough to be seen, and to be killed before it ends
    out = run(place, "--kill", "--pace=3")
    [killed] = re.findall(r"killed worker process (\d+) while it ran (\w+)", out)
    assert int(killed[0]) in pids(out)
    assert re.search(rf"completed  {killed[1]}  .*attempt 2", out)
    assert "completed  compile_brief" in out
    assert_nothing_runs(place, out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_demo_leaves_nothing_running(place: Path, number: signal.Signals) -> None:
    process = start(place, "--pace=60")
    assert process.stdout is not None
    out = ""
    while "executing  fetch_sources" not in out:
        line = process.stdout.readline()
        assert line, process.communicate()
        out += line
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert_nothing_runs(place, out)


def test_a_text_that_cannot_be_read_is_told_before_anything_starts(place: Path) -> None:
    process = start(place, "missing.txt")
    out, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert error.startswith("error: ")
    assert "missing.txt" in error
    assert not (place / ".baton").exists()
