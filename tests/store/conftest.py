"""What tests of the store share."""

import shutil
from pathlib import Path

import pytest

from baton.store import sql


@pytest.fixture
def sql_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the SQL files, in use, to change."""
    copy = tmp_path / "sql"
    shutil.copytree(sql.directory(), copy)
    monkeypatch.setattr(sql, "directory", lambda: copy)
    return copy
