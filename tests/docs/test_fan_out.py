"""Runs the guide to fan-out and grafts."""

from pathlib import Path

import psycopg

from tests.docs.test_documents import place
from tests.docs.test_steps import run_guide

__all__ = ["place"]


def test_the_guide_to_fan_out_does_what_it_says(place: Path, database: str) -> None:
    run_guide("fan_out.md", place, database)
    with psycopg.connect(database) as conn:
        query = """
          select workflow || ' ' || step_name, result from baton.workflow_nodes
          where step_name in ('total', 'count')
        """
        results = dict(conn.execute(query.encode()).fetchall())
        states = conn.execute("select distinct state::text from baton.workflows").fetchall()
    assert results == {
        "fixed total": 100,
        "computed total": 30,
        "growing count": 3,
        "reviewed total": 0,
    }
    assert states == [("completed",)]
