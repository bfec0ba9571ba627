"""``python -m tests.chaos.mutants``: what holds Baton together, taken out line by line.

Each mutant is a copy of the program that lacks one thing, and the smallest command that must turn
red: a test of the suite, or a short run of faults. What survives shows a gap in the tests.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from tests.chaos.mutations import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "baton",
    "baton_pytest",
    "benchmarks",
    "docs",
    "sql",
    "tests",
    "pyproject.toml",
    "README.md",
)
PATIENCE = 240  # seconds for a command


def copied(place: Path, root: Path = ROOT) -> None:
    """Copy the program to a directory, without what is made of it."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)


class Verdict(Enum):
    """What a command came to."""

    GREEN = "nothing was found"
    RED = "a test failed, or a checker found something"
    UNCLEAR = "it did not come to its end, which says nothing"


def verdict_of(
    command: Sequence[str], place: Path, *, patience: float = PATIENCE
) -> tuple[Verdict, str]:
    """Run a command in a copy; return what it came to, and the end of what it said.

    Args:
        command: of pytest, or a run of faults.
        place: of the copy.
        patience: seconds that it may take.

    Raises:
        RuntimeError: it can't be run.
    """
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            command,
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Verdict.UNCLEAR, f"it did not end within {patience:g} s"
    said = f"{ended.stdout[-3000:]}{ended.stderr[-2000:]}"
    match ended.returncode:
        case 0:
            return Verdict.GREEN, said
        case 1:
            return Verdict.RED, said
        case 3:  # the run itself broke
            return Verdict.UNCLEAR, said
    raise RuntimeError(f"{' '.join(command)}: {said}")


WORDS = {Verdict.GREEN: "SURVIVED", Verdict.RED: "killed", Verdict.UNCLEAR: "UNCLEAR"}


def sane(mutants: Sequence[Mutant], place: Path) -> None:
    """See that what is to turn red is green without any mutant.

    Raises:
        RuntimeError: it is not.
    """
    tests = sorted({mutant.place for mutant in mutants if mutant.test})
    commands = [[sys.executable, "-m", "pytest", "-q", "-n", "2", *tests]] if tests else []
    commands += [mutant.command() for mutant in mutants if mutant.faults]
    for command in commands:
        verdict, said = verdict_of(command, place)
        if verdict is not Verdict.GREEN:
            raise RuntimeError(f"without any mutant {verdict.value}: {' '.join(command)}\n{said}")


def verdicts(mutants: Sequence[Mutant]) -> list[Verdict]:
    """Try mutants one after the other; return what the command of each came to."""
    found = []
    with tempfile.TemporaryDirectory(prefix="baton-mutants-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        copied(place)
        sane(mutants, place)
        for mutant in mutants:
            file = place / mutant.path
            original = file.read_text("utf-8")
            file.write_text(mutant.applied(original), "utf-8")
            begun = time.monotonic()
            try:
                verdict, said = verdict_of(mutant.command(), place)
            finally:
                file.write_text(original, "utf-8")
            found.append(verdict)
            word = WORDS[verdict]
            print(f"{word:8} {time.monotonic() - begun:5.1f} s  {mutant.name}", flush=True)
            if verdict is not Verdict.RED:
                print(f"         {mutant.path}: {' '.join(mutant.command())}")
            if verdict is Verdict.UNCLEAR:
                print(said)
    return found


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="the mutants whose names contain this")
    parser.add_argument("--suite", action="store_true", help="those that tests find, without runs")
    given = parser.parse_args(words)
    chosen = [
        mutant
        for mutant in MUTANTS
        if (given.only or "") in mutant.name and (mutant.test or not given.suite)
    ]
    if not chosen:
        print(f"error: no mutant's name contains {given.only!r}", file=sys.stderr)
        return 2
    found = verdicts(chosen)
    killed, unclear = found.count(Verdict.RED), found.count(Verdict.UNCLEAR)
    print(
        f"{killed} of {len(chosen)} mutants killed: {killed / len(chosen):.0%}"
        + (f"; {unclear} unclear" if unclear else "")
    )
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
