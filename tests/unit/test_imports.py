"""What is imported when: the package and the help of the command cost next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import baton

HEAVY = {"anyio", "asyncio", "psycopg", "pydantic", "pydantic_settings", "rich", "structlog"}
LOADED = """
import sys
try:
    {code}
except SystemExit:
    pass
print("loaded:", *sorted({{name.partition(".")[0] for name in sys.modules}}))
print("own:", *sorted(name for name in sys.modules if name.startswith("baton.")))
"""
COMMAND = "import baton.cli; sys.argv = ['baton', *{words}]; baton.cli.main()"


def loaded(code: str) -> tuple[set[str], set[str]]:
    """The packages, and the modules of Baton, that some code loads in an interpreter of its own."""
    found = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True
    )
    packages, own = found.stdout.splitlines()[-2:]
    return set(packages.split()), set(own.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    packages, own = loaded("import baton")
    assert not packages & HEAVY
    assert own == {"own:", "baton.ambient"}


@pytest.mark.parametrize("words", [[], ["--help"], ["workflow", "--help"], ["--version"]])
def test_the_help_of_the_command_loads_no_command(words: list[str]) -> None:
    packages, own = loaded(COMMAND.format(words=words))
    assert not packages & (HEAVY - {"pydantic"})  # typer loads it to read arguments
    assert {name for name in own if name.startswith("baton.cli.")} <= {
        "baton.cli.app",
        "baton.cli.frame",
        "baton.cli.masking",
    }


def test_a_program_that_defines_workers_loads_no_driver() -> None:
    packages, _ = loaded("from baton import Job, Snooze, worker, cron; worker()")
    assert not packages & {"psycopg", "pydantic_settings", "structlog", "rich"}


def test_every_public_name_is_found_where_type_checkers_find_it() -> None:
    tree = ast.parse(Path(str(baton.__file__)).read_text())
    for_checkers = {
        name.name: statement.module
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for name in statement.names
    }
    places: dict[str, str] = baton._HOMES  # type: ignore[attr-defined]
    assert for_checkers == places
    assert sorted(places) == sorted(baton.__all__)
    for name in baton.__all__:
        assert getattr(baton, name) is not None


def test_modules_of_the_package_are_attributes_and_other_names_are_not() -> None:
    assert baton.errors.NotFound.__module__ == "baton.errors.base"
    with pytest.raises(AttributeError, match="module 'baton' has no attribute 'wroker'"):
        _ = baton.wroker  # type: ignore[attr-defined]


def test_all_names_can_be_listed_and_imported_at_once() -> None:
    assert set(baton.__all__) <= set(dir(baton))
    names: dict[str, object] = {}
    exec("from baton import *", names)  # noqa: S102
    assert set(baton.__all__) <= names.keys()
