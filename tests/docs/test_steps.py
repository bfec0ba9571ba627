"""Runs the guides to conditions and results."""

from pathlib import Path

import psycopg

from baton import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, perform_everything, place, run_python

__all__ = ["place"]


def run_guide(name: str, place: Path, database: str) -> None:
    """Run a guide: first its files, then its Python, then worker processes."""
    found = blocks(ROOT / "docs" / name)
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    with Registry().collecting() as registry:
        run_python([block for block in found if block.language == "python" and not block.file], {})
        perform_everything(database, registry)


def test_the_guide_to_conditions_does_what_it_says(place: Path, database: str) -> None:
    run_guide("conditions.md", place, database)
    with psycopg.connect(database) as conn:
        query = """
          select step_name, state, skipped, coalesce(error, step.cause)
          from baton.workflow_nodes as node
          join baton.workflow_steps as step using (job_id, workflow_id, step_name, skipped)
          order by job_id
        """
        steps = conn.execute(query.encode()).fetchall()
    assert steps == [
        ("fetch", "completed", False, None),
        ("shrink", "completed", True, "condition is_large said no"),
        ("publish", "completed", False, None),
        ("fetch", "completed", False, None),
        ("publish", "completed", False, None),
        ("clean up", "completed", True, "no dependency failed"),
        ("tell", "completed", False, None),
    ]
