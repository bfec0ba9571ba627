"""The protocols as models, in which a checker looks at every order in which things can happen.

Each model says what it stands for, what holds, and which of its variants are broken. Those have to
be found out, so that the model is known to be able to fail.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MODELS = sorted(path.stem for path in HERE.glob("*.pml"))
DEPTH = 100_000


def variants(model: str) -> list[str]:
    """What the text of a model looks at whether it is defined."""
    text = (HERE / f"{model}.pml").read_text()
    return sorted(set(re.findall(r"^#ifn?def (\w+)", text, re.MULTILINE)))


BROKEN = [(model, variant) for model in MODELS for variant in variants(model)]


def program(name: str) -> str:
    """Where a program is; without it a test is skipped, but not where everything has to be run."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed; run: apt-get install spin gcc libc6-dev")
    if found is None:
        pytest.skip(f"{name} is not installed; apt-get install spin gcc runs these tests as well")
    return found


def check(model: str, directory: Path, *defined: str) -> tuple[int, str]:
    """Search all states of a model; the number of errors, and what the checker printed."""
    source = HERE / f"{model}.pml"
    options = [f"-D{name}" for name in defined]
    _run(directory, program("spin"), *options, "-a", str(source))
    _run(directory, program("gcc"), "-w", "-O1", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")
    printed = _run(directory, "./pan", f"-m{DEPTH}")
    assert "too small" not in printed, printed
    assert "out of memory" not in printed, printed
    errors = re.search(r"errors: (\d+)", printed)
    assert errors, printed
    return int(errors[1]), printed


def _run(directory: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)  # seconds on a machine that has nothing else to do
@pytest.mark.parametrize("model", MODELS)
def test_no_order_of_events_breaks_the_model(model: str, tmp_path: Path) -> None:
    errors, printed = check(model, tmp_path)
    assert errors == 0, printed


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("model", "variant"), BROKEN)
def test_the_model_without_one_of_its_rules_breaks(
    model: str, variant: str, tmp_path: Path
) -> None:
    errors, printed = check(model, tmp_path, variant)
    assert errors > 0
    assert "assertion violated" in printed


@pytest.mark.parametrize("model", MODELS)
def test_a_model_names_its_broken_variants(model: str) -> None:
    text = (HERE / f"{model}.pml").read_text()
    header = text[: text.index("*/")]
    assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", header)) == set(variants(model))
    assert variants(model)
