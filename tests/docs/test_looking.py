"""Runs the guide to looking."""

import json
from pathlib import Path

import psycopg
import pytest

from baton.workers import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, shell

__all__ = ["place"]  # the fixture


def test_the_guide_to_looking_does_what_it_says(
    place: Path,
    database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del place
    found = blocks(ROOT / "docs" / "looking.md")
    with Registry().collecting():
        run_python([block for block in found if block.language == "python"], {})
    progress, sentence, *_ = capsys.readouterr().out.splitlines()
    [said] = [block.text.strip() for block in found if block.language == "text"]
    assert sentence == said
    assert progress == "0 of 3, 0%; 0 failed"
    with psycopg.connect(database) as conn:
        row = conn.execute("select left(id::text, 8) from baton.workflows").fetchone()
    assert row is not None
    given = [block for block in found if block.language == "sh"]
    outputs = [shell(each.replace("0f6c", row[0])) for block in given for each in commands(block)]
    listed, whole, step, one = outputs
    assert "newsletter" in listed
    assert whole.splitlines()[0] == said
    assert "step deliver waits for approved (suspended): step draft waits because" in step
    assert json.loads(one)["reason"] == "unserved"
