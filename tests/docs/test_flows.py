"""The guide on workflows as data does what it says."""

from pathlib import Path

import psycopg
import pytest

from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, shell

__all__ = ["place"]

pytestmark = pytest.mark.timeout(900)  # it starts many programs, one after the other


def test_the_guide_on_flows_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "flows.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    names: dict[str, object] = {}
    for block in found:
        if block.language == "sh":
            for command in commands(block):
                assert shell(command)
        elif not block.file:
            run_python([block], names)
    with psycopg.connect(database) as conn:
        found_names = conn.execute("select name, template from baton.workflows order by name")
        assert found_names.fetchall() == [
            ("invite ann", None),
            ("invite bob", "invitation"),
            ("invite eve", "invitation"),
        ]
