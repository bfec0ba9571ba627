"""What tests of the store share."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from baton.store import sql


@pytest.fixture
def at_the_end() -> Iterator[ExitStack]:
    """Closes what a test opened, also when it fails: or else a later one fails for what is left."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def sql_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the SQL files, in use, to change."""
    copy = tmp_path / "sql"
    shutil.copytree(sql.directory(), copy)
    monkeypatch.setattr(sql, "directory", lambda: copy)
    return copy
