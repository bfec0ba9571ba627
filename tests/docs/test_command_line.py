"""Runs the guide to the command line."""

import json
from pathlib import Path

import pytest

from baton.workers import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, shell

__all__ = ["place"]  # the fixture

pytestmark = pytest.mark.timeout(900)  # it starts many programs, one after the other


def test_the_guide_to_the_command_line_does_what_it_says(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del place
    found = blocks(ROOT / "docs" / "command_line.md")
    said = [command for block in found if block.language == "sh" for command in commands(block)]
    outputs = {command: shell(command) for command in said}
    assert json.loads(outputs["baton job list -o jsonl -queue:default"])["args"] == {"to": 42}
    assert outputs["baton job cancel queue:mail -tag:vip --dry-run"] == "would cancel 1 job\n"
    assert outputs["baton job retry state:cancelled since:1h --yes"] == "retried 1 job\n"
    assert json.loads(outputs["baton top --once -o json"])["queues"][0]["name"] == "mail"
    assert "oldest_waits" in outputs["baton sql queues --run"]
    shell("baton job delete queue:mail --yes")
    with Registry().collecting():
        run_python([block for block in found if block.language == "python"], {})
    texts = [block.text for block in found if block.language == "text"]
    assert capsys.readouterr().out in texts
