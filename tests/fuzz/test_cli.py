"""Words on the command line: an exit code and a sentence, and never a traceback."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from baton.cli.app import app, paths
from baton.cli.frame import ExitCode
from baton.errors import BatonError
from tests.fuzz.cases import cases
from tests.fuzz.values import texts

ENDLESS = {"worker", "demo", "db", "psql", "watch"}  # these start something else, or go on
PATHS = [words for words, _ in paths() if not ENDLESS & {*words}]
OPTIONS = (
    *(
        "--json",
        "--limit",
        "--state",
        "--queue",
        "--worker",
        "--schema",
        "--all",
        "--force",
        "--yes",
    ),
    *("--reason", "--args", "--arg", "--meta", "--tag", "--tags", "--priority", "--where", "--id"),
    *(
        "--at",
        "--in",
        "--workflow",
        "--step",
        "--name",
        "--timezone",
        "--dry-run",
        "--from",
        "--node",
    ),
    *("--older-than", "--timeout", "--max-attempts", "--before", "--since", "--format", "--global"),
    *(
        "--rate",
        "--partition",
        "--catch-up",
        "--template",
        "--payload",
        "--to",
        "--check",
        "-q",
        "-h",
    ),
)


def can_be_typed(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


WORDS = texts.filter(can_be_typed) | st.sampled_from(
    [
        *(
            "1",
            "0",
            "-5",
            "{}",
            "[]",
            "audit",
            "default",
            "* * * * *",
            "available",
            "abcd",
            "1h",
            "a=1",
        )
    ]
)


@cases(60)
@given(
    path=st.sampled_from(PATHS),
    words=st.lists(st.sampled_from(OPTIONS) | WORDS, max_size=6),
    typed=WORDS,
)
def test_every_command_understands_or_says_that_it_does_not(
    database: str, path: tuple[str, ...], words: list[str], typed: str
) -> None:
    if path == ("migrate",):
        words = [*words, "--check"]
    result = CliRunner().invoke(
        app, [*path, *words], input=typed, env={"BATON_DSN": database}, prog_name="baton"
    )
    error = result.exception
    if error is not None and not isinstance(error, (SystemExit, BatonError)):
        pytest.fail("".join(traceback.format_exception(error)))
    assert result.exit_code in {*ExitCode}
    assert "Traceback" not in result.output


@cases(40)
@given(words=st.lists(WORDS, max_size=4))
def test_a_worker_with_nonsense_does_not_start(words: list[str]) -> None:
    result = CliRunner().invoke(
        app, ["worker", *words, "--queues", "nonsense", "--poll-interval", "x"], prog_name="baton"
    )
    assert result.exit_code == ExitCode.USAGE
    assert isinstance(result.exception, SystemExit)
