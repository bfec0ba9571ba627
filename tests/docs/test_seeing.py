"""The guide on seeing workflows does what it says."""

import re
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from baton import Registry, SyncClient
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, perform_everything, place, run_python, shell

__all__ = ["place"]

pytestmark = pytest.mark.timeout(900)  # it starts many programs, one after the other


def test_the_guide_on_seeing_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "seeing.md")
    [module] = [block for block in found if block.file]
    (place / "orders.py").write_text(module.text)
    before, after = [block for block in found if block.language == "python" and not block.file]
    with Registry().collecting() as registry:
        run_python([before], {})
        flow = import_module("orders").order(1_000)
        with SyncClient(database) as client:
            client.insert_workflow(flow)
        perform_everything(registry)
    assert (place / "order.svg").read_text().startswith("<svg")
    with psycopg.connect(database) as conn:
        [(left,)] = conn.execute(
            "select count(*) from baton.workflows where state = 'executing'"
        ).fetchall()
    assert left == 0
    workflow_id = str(flow.workflow_id)
    shown = [
        shell(command.replace("0f6c", workflow_id[:8]))
        for block in found
        if block.language == "sh"
        for command in commands(block)
    ]
    [drawn] = [block.text for block in found if block.language == "text"]
    assert shape(shown[0]) == shape(drawn)
    assert len(shown[1].splitlines()) == len(shown[0].splitlines()) + 999
    assert "it failed" in shown[3]
    assert (place / "order.mmd").read_text().startswith("---\ntitle")
    assert "digraph" in shown[5]
    assert "card declined" in (place / "order.svg").read_text()
    run_python([after], {"workflow_id": workflow_id})


def shape(tree: str) -> list[str]:
    """The lines of a tree, without what differs from run to run."""
    same = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f-]{27})?\b", "ID", tree)
    return [line.rstrip() for line in re.sub(r"\d+\.\d+ s\b", "T", same).splitlines()]
