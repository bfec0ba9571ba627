"""The guide to testing: its files are a project, and its tests are run in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import blocks

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_guide_to_testing_does_what_it_says(
    tmp_path: Path, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blocks(ROOT / "docs" / "testing.md")
    assert {block.language for block in found} == {"python", "text"}
    for block in found:
        if block.language == "python":
            assert block.file
            (tmp_path / block.file).write_text(block.text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("BATON_TEST_DSN", server_dsn)
    plugins = ["-p", "baton_pytest", "-p", "anyio.pytest_plugin"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "11 passed" in ended.stdout
