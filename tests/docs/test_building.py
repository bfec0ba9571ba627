"""The guide on building a workflow does what it says, up to the live page."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, commands, place, run_python, running

__all__ = ["place"]


def test_the_guide_on_building_a_workflow_does_what_it_says(place: Path, database: str) -> None:
    found = blocks(ROOT / "docs" / "building_a_workflow.md")
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    run_python([block for block in found if block.language == "python" and not block.file], {})
    [worker] = [command for block in found if block.language == "sh" for command in commands(block)]
    with psycopg.connect(database, autocommit=True) as conn, running(worker):
        row = conn.execute("select id from baton.workflows").fetchone()
        assert row is not None
        page = subprocess.run(
            [sys.executable, "page.py", str(row[0])],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=os.environ,
        )
        assert page.returncode == 0, page.stderr
        while not conn.execute(
            "select 1 from baton.jobs where worker = 'brief.tell_editor' and state = 'completed'"
        ).fetchone():
            pass
        brief = conn.execute(
            "select result from baton.workflow_nodes where step_name = 'compile_brief'"
        ).fetchone()
    assert page.stdout.splitlines()[-1] == "workflow completed"
    assert "compile_brief: completed" in page.stdout
    assert brief is not None
    assert brief[0] == {
        "topic": "otters",
        "summarize": "Otters hold hands when they sleep.",
        "keywords": ["otters"],
        "credibility": 0.75,
    }
