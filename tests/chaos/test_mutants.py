"""The list of mutants fits the program as it stands."""

import re
import sys
from pathlib import Path

import pytest

from tests.chaos.mutants import ROOT, Verdict, main, sane, verdict_of
from tests.chaos.mutations import MUTANTS, Mutant

IDS = [mutant.name for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_what_a_mutant_takes_out_is_there_exactly_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.path).read_text("utf-8")
    assert mutant.applied(text) != text


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_the_test_that_finds_a_mutant_exists(mutant: Mutant) -> None:
    assert bool(mutant.test) != bool(mutant.faults)
    if mutant.test:
        path, _, name = mutant.place.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_text_that_no_longer_matches_is_an_error() -> None:
    mutant = Mutant("gone", "a.sql", "no such text", "")
    with pytest.raises(ValueError, match=r"a\.sql has 0 times what the mutant gone replaces"):
        mutant.applied("select 1")


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, Verdict.GREEN), (1, Verdict.RED), (3, Verdict.UNCLEAR)]
)
def test_a_run_that_broke_is_not_one_that_found_something(
    tmp_path: Path, code: int, verdict: Verdict
) -> None:
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    assert verdict_of(command, tmp_path)[0] is verdict


def test_a_command_that_does_not_end_has_found_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    verdict, said = verdict_of(command, tmp_path, patience=0.5)
    assert (verdict, said) == (Verdict.UNCLEAR, "it did not end within 0.5 s")


def test_what_is_red_without_a_mutant_is_an_error(tmp_path: Path) -> None:
    broken = Mutant("none", "a.sql", "a", "b", faults="earthquake")
    with pytest.raises(RuntimeError, match=r"tests\.chaos"):
        sane([broken], tmp_path)


def test_names_are_unique() -> None:
    assert len(set(IDS)) == len(IDS)


def test_an_unknown_mutant_is_an_error() -> None:
    assert main(["--only", "nothing of the kind"]) == 2
