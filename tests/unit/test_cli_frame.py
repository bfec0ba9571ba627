"""What surrounds every command: help, versions, exit codes, and errors as one sentence."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import baton
from baton.cli import app as application
from baton.cli import frame
from baton.cli.app import COMMANDS, paths
from baton.errors import (
    BatonError,
    ConfigurationError,
    CyclicWorkflow,
    DatabaseUnavailable,
    InvalidJob,
    InvalidWorker,
    NotFound,
    SchemaMissing,
)


@pytest.fixture(autouse=True)
def plain_frame() -> Iterator[None]:
    yield
    frame.frame.debug = False


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(application.app, arguments, env=environment, prog_name="baton")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "baton", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def raising(error: BaseException) -> int:
    """The exit code of a command that raises."""

    @frame.guarded
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        command()
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (InvalidJob("x"), 2),
        (CyclicWorkflow(["a", "b", "a"]), 2),
        (InvalidWorker("x"), 2),
        (NotFound("job", 5), 3),
        (DatabaseUnavailable("x"), 4),
        (SchemaMissing("baton"), 4),
        (BatonError("x"), 1),
        (ExceptionGroup("tasks", [ExceptionGroup("tasks", [NotFound("job", 5)])]), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert raising(error) == code


def test_an_error_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    raising(NotFound("job", "5\nand more"))
    captured = capsys.readouterr()
    assert captured.err == "error: there is no job 5 and more\n"
    assert captured.out == ""


def test_other_errors_keep_their_traceback() -> None:
    @frame.guarded
    def command() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        command()


def test_without_arguments_there_is_help() -> None:
    shown = invoke().output
    assert shown.startswith("Usage: baton")
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    assert shown == invoke("--help").output == invoke("-h").output


def test_help_imports_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "baton.cli.demo", None)  # an import would fail
    assert "demo" in invoke("--help").output
    assert invoke("version").exit_code == 0


def test_a_worker_process_does_not_know_the_workers_of_the_demo() -> None:
    script = "import sys, baton.cli.app, baton.cli.worker; print('baton.demo' in str(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert shown.stdout == b"False\n"


@pytest.mark.parametrize("words", [words for words, _ in paths()], ids=" ".join)
def test_every_command_has_help_and_its_flags_have_variables(words: tuple[str, ...]) -> None:
    result = invoke(*words, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: baton {' '.join(words)}")
    _, _, options = result.output.partition("Options:\n")
    flags = [" ".join(flag.split()) for flag in options.split("\n  -")]
    for flag in flags:
        if not flag.startswith(("-h, --help", "h, --help")):
            assert "[env var: BATON_" in flag, flag


@pytest.mark.parametrize("arguments", [("nope",), ("workflow", "nope"), ("version", "--nope")])
def test_a_wrong_word_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "nope" in result.stderr
    assert not result.stdout


def test_a_near_miss_is_answered_with_the_command() -> None:
    assert "Did you mean 'worker'?" in invoke("wroker").stderr


def test_the_version_can_be_asked_for_in_two_ways() -> None:
    assert invoke("--version").stdout == f"baton {baton.__version__}\n"
    lines = invoke("version").stdout.splitlines()
    assert lines[0] == f"baton {baton.__version__}"
    assert [line.split()[0] for line in lines] == ["baton", "python", "psycopg", "libpq"]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("dsn", "code"),
    [
        ("postgresql://user:secret@127.0.0.1:1/database", 4),
        ("postgresql://user:secret@[127.0.0.1:1/database", 2),
        ("host=127.0.0.1 port=x password=secret", 2),
        ("password=secret nonsense", 2),
    ],
)
def test_the_password_is_not_printed(dsn: str, code: int, debug: bool) -> None:
    options = ("--debug",) if debug else ()
    shown = run(*options, "migrate", "--dsn", dsn)
    assert "secret" not in shown.stdout + shown.stderr
    assert ("Traceback" in shown.stderr) is debug
    if not debug:
        assert shown.returncode == code
        assert shown.stderr.startswith("error: ")
        assert shown.stderr.count("\n") == 1


def test_debug_can_be_asked_for_in_the_environment() -> None:
    assert "Traceback" in run("worker", BATON_DEBUG="1").stderr
    assert "Traceback" not in run("worker").stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "baton", "version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_a_bad_setting_in_the_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "baton.toml").write_text("grace = -1")
    shown = subprocess.run(
        [sys.executable, "-m", "baton", "worker"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert shown.returncode == 2
    assert shown.stderr == "error: grace: input should be greater than or equal to 0, not -1\n"


def test_every_target_is_written_as_module_and_function() -> None:
    for _, command in paths():
        assert command.target.startswith("baton.cli.")
