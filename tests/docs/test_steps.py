"""Runs the guides to conditions and results."""

from pathlib import Path
from typing import Any

import psycopg

from baton import Registry
from tests.docs.markdown import blocks
from tests.docs.test_documents import ROOT, perform_everything, place, run_python

__all__ = ["place"]


def run_guide(name: str, place: Path, database: str) -> dict[str, Any]:
    """Run a guide: first its files, then its Python, then worker processes; return its names."""
    found = blocks(ROOT / "docs" / name)
    for block in found:
        if block.file:
            (place / block.file).write_text(block.text)
    names: dict[str, Any] = {"__name__": "guide"}
    with Registry().collecting() as registry:
        python = [block for block in found if block.language == "python" and not block.file]
        run_python(python, names)
        perform_everything(registry)
        with psycopg.connect(database, autocommit=True) as conn:
            while conn.execute("select 1 from baton.workflow_callbacks").fetchone():
                perform_everything(registry)
    return names


def test_the_guide_to_conditions_does_what_it_says(place: Path, database: str) -> None:
    heard = run_guide("conditions.md", place, database)["heard"]
    assert sorted(heard) == [
        ("charge", "dependency reserve was discarded"),
        ("send", "dependency charge was cancelled"),
    ]
    with psycopg.connect(database) as conn:
        query = """
          select step_name, state, skipped, coalesce(error, step.cause)
          from baton.workflow_nodes as node
          join baton.workflow_steps as step using (job_id, workflow_id, step_name, skipped)
          where workflow = 'report'
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


def test_the_guide_to_results_does_what_it_says(place: Path, database: str) -> None:
    run_guide("results.md", place, database)
    with psycopg.connect(database) as conn:
        query = """
          select workflow || ' ' || step_name, result from baton.workflow_nodes order by job_id
        """
        results = dict(conn.execute(query.encode()).fetchall())
    assert results["report publish"] == "2 rows for 5"
    assert (results["large count"], results["large count too"]) == (1_000, 1_000)
    kept = results["large fetch"]["$baton_result"]
    assert (kept["store"], kept["bytes"]) == ("default", 11_001)
    assert (place / kept["reference"]).stat().st_size == 11_001
