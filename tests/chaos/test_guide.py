"""What the guide to reliability says of the harness is what the harness does."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import parser
from tests.chaos.checkers import CHECKERS
from tests.chaos.checkers.checker import Checker
from tests.chaos.faults import KINDS, Kind
from tests.docs.markdown import blocks

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
TEXT = GUIDE.read_text("utf-8")
COMMANDS = [
    line
    for block in blocks(GUIDE)
    if block.language == "sh"
    for line in block.text.splitlines()
    if line.startswith("python -m tests.chaos ")
]


@pytest.mark.parametrize("checker", CHECKERS.values(), ids=CHECKERS)
def test_every_sentence_that_is_checked_is_in_the_guide(checker: Checker) -> None:
    assert f"- {checker.sentence}" in TEXT


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_fault_is_in_the_guide_with_what_it_needs(kind: Kind) -> None:
    [row] = [line for line in TEXT.splitlines() if line.startswith(f"| `{kind.name}` |")]
    assert row.endswith("| root |") == kind.needs_root


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_guide_can_be_given(command: str) -> None:
    assert parser().parse_args(command.split()[3:]).minutes >= 3
